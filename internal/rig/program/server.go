package program

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"syscall"
	"time"
)

// Patience is how long a server may take to start: a busy machine needs a while
// for Node.
const Patience = 60 * time.Second

// A Server is a program that prints a line of JSON once it listens.
type Server struct {
	*exec.Cmd
	Log Text // its standard error, unless cmd had one of its own
}

// Serve starts cmd and decodes its first line into ready. If that line does not
// come, the program is killed, and the error ends with what it said.
func Serve(cmd *exec.Cmd, ready any) (*Server, error) {
	s := &Server{Cmd: cmd}
	if cmd.Stderr == nil {
		cmd.Stderr = &s.Log
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	if err := readLine(out, ready); err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return nil, fmt.Errorf("%s did not start: %w\n%s", cmd.Path, err, &s.Log)
	}
	return s, nil
}

func readLine(out io.Reader, ready any) error {
	lines := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(out).ReadString('\n')
		lines <- line
	}()
	select {
	case line := <-lines:
		if err := json.Unmarshal([]byte(line), ready); err != nil {
			return fmt.Errorf("its first line (%d bytes) is no JSON object: %w", len(line), err)
		}
		return nil
	case <-time.After(Patience):
		return fmt.Errorf("it printed nothing for %v", Patience)
	}
}

// Stop asks the server to end, and kills it if it does not. (In the background of a
// script it would ignore what Ctrl-C sends.)
func (s *Server) Stop() {
	s.Process.Signal(syscall.SIGTERM)
	s.Reap()
}

// Reap waits for a server that was told to end, and kills it after a while.
func (s *Server) Reap() {
	timer := time.AfterFunc(5*time.Second, func() { s.Process.Kill() })
	defer timer.Stop()
	s.Wait()
}

// Control sends a request to a server's control endpoint, with a key in a header; body and answer are JSON, or nil.
func Control(method, url, header, key string, body, answer any) error {
	var encoded []byte
	if body != nil {
		var err error
		if encoded, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(encoded))
	if err != nil {
		return err
	}
	req.Header.Set(header, key)
	req.Close = true // Node ends an idle connection after five seconds, perhaps while a request is on its way
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s %s", method, url, resp.Status, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}
