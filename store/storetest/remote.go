package storetest

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/rig/check"
	"codexauth/sandbox"
)

// Storm starts many processes that find one expired login in the place. They must all
// get the same token, for one request.
func Storm(t *testing.T, p Place) {
	t.Helper()
	const processes = 32
	server := sandbox.New(t, sandbox.Config{})
	check.ExpiredLogin(t, p.Open(), server)
	outputs := make([]string, processes)
	var all sync.WaitGroup
	for i := range processes {
		cmd := TokenProcess(t, p, server)
		all.Go(func() {
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("child: %v: %s", err, bytes.TrimSpace(out))
			}
			outputs[i] = string(out)
		})
	}
	all.Wait()
	for _, out := range outputs {
		if out != outputs[0] || !strings.HasPrefix(out, tokenPrefix+"ey") {
			t.Fatal("the processes did not all get the same token")
		}
	}
	check.OneRefresh(t, server)
}

// tokenPrefix stands before the token that a process prints.
const tokenPrefix = "token "

// TokenProcess prepares a process that prints "token " and an access token of the
// default login in the place, which is one of server's. It is killed at the end of
// the test if it runs still.
func TokenProcess(t *testing.T, p Place, server *sandbox.Server) *exec.Cmd {
	t.Helper()
	return child(patient(t), t, p, strings.Join([]string{roleToken, server.URL(), check.RescueDir(t)}, " "))
}

// printToken takes the issuer's address and the directory for rescue files.
func printToken(ctx context.Context, s codexauth.Store, arg string) error {
	issuer, rescue, _ := strings.Cut(arg, " ")
	m, err := codexauth.NewManager(check.ManagerConfig(s, issuer, rescue))
	if err != nil {
		return err
	}
	token, err := m.Token(ctx)
	if err != nil {
		return err
	}
	fmt.Print(tokenPrefix, token.AccessToken.Reveal())
	return m.Close()
}

// CancelledAtTheGrant cancels a wait for the claim of "work" about when that becomes
// free. Whoever wins, nothing must be left behind. The function waits reports whether
// the store's server has somebody waiting for the claim; free returns once the claim
// is free, or fails the test.
func CancelledAtTheGrant(t *testing.T, p Place, waits func() bool, free func()) {
	t.Helper()
	s, other := p.Open(), p.Open()
	for range 20 {
		c := claim(t, s, "work")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			c, err := other.Claim(ctx, "work")
			if err == nil {
				err = c.Release()
			}
			done <- err
		}()
		check.Until(t, "the other waits", waits)
		released := make(chan error, 1)
		time.AfterFunc(rand.N(3*time.Millisecond), cancel)
		time.AfterFunc(rand.N(3*time.Millisecond), func() { released <- c.Release() })
		if err := <-released; err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			check.Error(t, err, context.Canceled)
		}
		cancel()
		free()
	}
}

// TooLarge stores the largest record of the store and a record under its longest key,
// and sees that anything larger is refused in few words and changes nothing.
func TooLarge(t *testing.T, p Place, maxRecord, maxKey int) {
	t.Helper()
	s := p.Open()
	largest := strings.Repeat("s", maxRecord)
	put(t, s, "work", largest)
	largest = largest[1:] + "t"
	put(t, s, "work", largest) // a change may send the old one, too
	wantLoad(t, s, "work", largest)
	c := claim(t, s, "work")
	if err := c.Commit(patient(t), []byte(largest+"s")); err == nil || len(err.Error()) > 500 {
		t.Errorf("Commit of more than the limit: %.200v", err)
	}
	wantLoad(t, s, "work", largest)
	if _, err := s.Claim(patient(t), strings.Repeat("k", maxKey+1)); err == nil || !strings.Contains(err.Error(), "longest") {
		t.Errorf("Claim of a key that is too long: %.200v", err)
	}
	put(t, s, strings.Repeat("k", maxKey), "x")
}
