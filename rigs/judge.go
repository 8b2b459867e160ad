package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// A judge is an authorization server that tells what it has seen.
type judge interface {
	counters() (sandbox.Counters, error)
	honours(token string) (int, error) // 200 or 401, as a backend would answer
}

// counters are what the server has seen.
func (t *trial) counters() sandbox.Counters {
	if t.foreign == nil {
		return t.Server.Counters()
	}
	c, err := t.foreign.counters()
	if err != nil {
		c.UnknownTokens = 1 // nobody takes such counters for good
	}
	return c
}

// bearer is what `codexauth token --json` prints.
type bearer struct {
	AccessToken string `json:"access_token"`
	AccountID   string `json:"account_id"`
}

func readBearer(r result) (token bearer, err error) {
	if err := r.Want(0); err != nil {
		return token, err
	}
	if err := json.Unmarshal([]byte(r.Out), &token); err != nil {
		return token, fmt.Errorf("no token was printed: %w", err)
	}
	return token, nil
}

// honoured checks that r printed a token, and that the backend takes it.
func (t *trial) honoured(r result) (bearer, error) {
	token, err := readBearer(r)
	if err != nil {
		return token, err
	}
	status, err := t.ask(token)
	if err == nil && status != http.StatusOK {
		err = refusedToken(status)
	}
	return token, err
}

// refusedToken is the status with which the backend refused a token that was printed.
type refusedToken int

func (s refusedToken) Error() string {
	return fmt.Sprintf("the token that was printed is answered with %d by the backend", int(s))
}

// unlessReplaced is err without a 401 for a token of a login that another person's took
// the place of: that one is ended at the server.
func unlessReplaced(err error) error {
	if err == refusedToken(http.StatusUnauthorized) {
		return nil
	}
	return err
}

// honouredUnlessReplaced has a token printed while others sign in, and checks that
// the backend takes it, unless another login was stored meanwhile.
func (t *trial) honouredUnlessReplaced() (bearer, error) {
	before, err := t.stored()
	if err != nil {
		return bearer{}, err
	}
	token, err := t.honoured(t.Run("token", "--json"))
	if err == nil {
		return token, nil
	}
	now, err2 := t.stored()
	if err2 == nil && now.Login != before.Login {
		err = unlessReplaced(err)
	}
	return token, errors.Join(err, err2)
}

// ask asks the backend with a token.
func (t *trial) ask(token bearer) (status int, err error) {
	if t.foreign != nil {
		return t.foreign.honours(token.AccessToken)
	}
	req, err := http.NewRequest(http.MethodGet, t.Server.BackendURL()+"/models", nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("chatgpt-account-id", token.AccountID)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// lives checks that a fresh process gets a token that works.
func (t *trial) lives() error {
	_, err := t.honoured(t.Run("token", "--json"))
	return err
}

// livesAfter is lives, and that the server saw so many token requests, and no
// reuse, since its counters were at zero.
func (t *trial) livesAfter(requests int) error {
	return errors.Join(t.lives(), t.requests(requests))
}

func (t *trial) requests(want int) error {
	if c := t.counters(); c.TokenRequests != want || c.Reuses != 0 || c.DeadFamily != 0 {
		return fmt.Errorf("want %d token requests and no reuse, got %d and %d (%d of a dead family)", want, c.TokenRequests, c.Reuses, c.DeadFamily)
	}
	return nil
}

// storedRecord is what a record says about its state.
type storedRecord struct {
	Login string `json:"login"`
	Seq   uint64 `json:"seq"`
	Note  *struct {
		PID int `json:"pid"`
	} `json:"note"`
}

// stored reads the record; the zero value is none.
func (t *trial) stored() (rec storedRecord, err error) {
	data, err := t.record()
	if err != nil || data == nil {
		return rec, err
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	return rec, json.Unmarshal(body, &rec)
}

// record reads the record as it is; nil is none.
func (t *trial) record() ([]byte, error) {
	store, err := t.Open()
	if err != nil {
		return nil, err
	}
	defer rig.CloseStore(store)
	data, err := store.Load(context.Background(), codexauth.DefaultKey)
	if errors.Is(err, codexauth.ErrNotFound) {
		return nil, nil
	}
	return data, err
}

// rescued returns the rescue files.
func (t *trial) rescued() (paths []string) {
	filepath.WalkDir(t.Dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasPrefix(filepath.Base(filepath.Dir(path)), "codexauth-rescue") && strings.HasSuffix(path, ".record") {
			paths = append(paths, path)
		}
		return nil
	})
	return paths
}

// noRescue checks that no rescue file is left.
func (t *trial) noRescue() error {
	if paths := t.rescued(); len(paths) > 0 {
		return fmt.Errorf("left behind: %v", paths)
	}
	return nil
}

// Exit codes of codexauth.
const (
	exitSignedOut = 3
	exitRefused   = 4
	exitTryLater  = 5
)

// reportedLost checks the words about a login that was cut off, and that nobody
// goes on asking.
func (t *trial) reportedLost(r result, pid int) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	asked := t.counters().TokenRequests
	again := t.Run("token")
	if asked != 2 || t.counters().TokenRequests != 2 {
		err = fmt.Errorf("want one further token request and then none, got %d and %d", asked-1, t.counters().TokenRequests-asked)
	}
	says := []string{"cut off", fmt.Sprintf("process %d on host %s", pid, host), "sign in again"}
	return errors.Join(err, r.Want(exitRefused, says...), again.Want(exitRefused, says...))
}

// served checks that each of the others got a token in the end.
func (t *trial) served(others []*running) error {
	var errs []error
	for _, r := range others {
		_, err := t.honoured(r.End())
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func stillWaiting(others []*running) error {
	for _, r := range others {
		if !r.Runs() {
			return fmt.Errorf("it did not wait for the process that stands: %v", r.End())
		}
	}
	return nil
}

// livesOn checks that the login can be refreshed, too, and that nobody has sent
// a spent token.
func (t *trial) livesOn() error {
	err := errors.Join(t.Run("refresh").Want(0), t.lives())
	if c := t.counters(); c.Reuses+c.DeadFamily+c.UnknownTokens > 0 {
		err = errors.Join(err, fmt.Errorf("a spent token was sent: %+v", c))
	}
	return err
}

// whole checks that the record, if there is one, is not torn.
func (t *trial) whole() error {
	m, end, err := t.Manager(nil)
	if err != nil {
		return err
	}
	defer end()
	_, err = m.Status(context.Background())
	return err
}
