package storetest

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"codexauth"
)

// The variables that tell a child process what to do. Its key is always the same.
const (
	roleVar  = "CODEXAUTH_STORETEST_ROLE"
	placeVar = "CODEXAUTH_STORETEST_PLACE"
	childKey = "shared"
)

// What a child can be.
const (
	roleIncrement = "increment" // with the number of rounds after a space
	roleHold      = "hold"      // claim, say so, and hold until standard input ends
	roleCommit    = "commit"    // claim, commit a note, say so, and commit what comes on standard input
	roleToken     = "token"     // print a token; after spaces the issuer and the directory for rescue files
)

// heldLine is what a holder prints once it has its claim.
const heldLine = "held"

// Main is what TestMain calls, with a function that opens the place of that
// name. In a child process of [Run] or [Storm] it plays the child's part and exits;
// otherwise it returns at once.
func Main(open func(place string) (codexauth.Store, error)) {
	role := os.Getenv(roleVar)
	if role == "" {
		return
	}
	if err := play(role, os.Getenv(placeVar), open); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func play(role, place string, open func(string) (codexauth.Store, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience+standsFor())
	defer cancel()
	s, err := open(place)
	if err != nil {
		return err
	}
	name, arg, _ := strings.Cut(role, " ")
	switch name {
	case roleIncrement:
		n, err := strconv.Atoi(arg)
		if err != nil {
			return err
		}
		return increment(ctx, s, childKey, n)
	case roleHold:
		return hold(ctx, s)
	case roleCommit:
		return holdAndCommit(ctx, s)
	case roleToken:
		return printToken(ctx, s, arg)
	}
	return fmt.Errorf("unknown role %q", role)
}

func hold(ctx context.Context, s codexauth.Store) error {
	c, err := s.Claim(ctx, childKey)
	if err != nil {
		return err
	}
	fmt.Println(heldLine)
	io.Copy(io.Discard, os.Stdin)
	return c.Release()
}

// childNote is what a committing child commits first.
const childNote = "the child's note"

func holdAndCommit(ctx context.Context, s codexauth.Store) error {
	c, err := s.Claim(ctx, childKey)
	if err != nil {
		return err
	}
	if err := c.Commit(ctx, []byte(childNote)); err != nil {
		return err
	}
	fmt.Println(heldLine)
	record, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	return errors.Join(c.Commit(ctx, record), c.Release())
}

// child prepares a process that plays the role. Without [Main] in TestMain it
// would run no test and print something else than is expected.
func child(ctx context.Context, t *testing.T, p Place, role string) *exec.Cmd {
	t.Helper()
	if p.Name == "" {
		t.Skip("no other process can open this store")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), roleVar+"="+role, placeVar+"="+p.Name,
		"GORACE=atexit_sleep_ms=0") // or the race detector adds a second to every exit
	t.Cleanup(func() {
		if cmd.Process != nil && cmd.ProcessState == nil {
			cmd.Process.Kill()
			cmd.Wait()
		}
	})
	return cmd
}

func testProcesses(t *testing.T, p Place) {
	const processes, rounds = 8, 25
	ctx := patient(t)
	var all sync.WaitGroup
	for range processes {
		cmd := child(ctx, t, p, fmt.Sprint(roleIncrement, " ", rounds))
		all.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("child: %v: %s", err, bytes.TrimSpace(out))
			}
		})
	}
	all.Wait()
	if !t.Failed() {
		wantLoad(t, p.Open(), childKey, strconv.Itoa(processes*rounds))
	}
}

// testProcessKilled: the claim of a holder that was killed goes to the next, and
// the record is what it last committed.
func testProcessKilled(t *testing.T, p Place) {
	s := p.Open()
	if p.Name != "" {
		put(t, s, childKey, "x")
	}
	for range 3 {
		holder := StartHolder(t, p)
		wantBusy(t, s, childKey)
		if err := holder.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		holder.Wait()
		c := claim(t, s, childKey)
		wantRecord(t, c, "x")
		release(t, c)
	}
}

// StartHolder starts a process that holds the claim of the key "shared" and
// returns once it does. The caller ends it: with a signal, or by closing the
// Stdin that it gave it. It is killed at the end of the test in any case.
func StartHolder(t *testing.T, p Place) *exec.Cmd {
	t.Helper()
	cmd, _ := startHolder(t, p, roleHold)
	return cmd
}

// HolderProcess prepares a process that claims the key "shared" and holds it until its
// standard input ends. It is killed at the end of the test if it runs still.
func HolderProcess(t *testing.T, p Place) *exec.Cmd {
	t.Helper()
	return child(patient(t), t, p, roleHold)
}

func startHolder(t *testing.T, p Place, role string) (*exec.Cmd, io.WriteCloser) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience+standsFor())
	cmd := child(ctx, t, p, role)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // held open until Wait
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	if strings.TrimSpace(line) != heldLine {
		t.Fatalf("the child said %q instead of %q: does TestMain call storetest.Main?", line, heldLine)
	}
	return cmd, in
}
