package demo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/login"
	"codexauth/sandbox"
)

// demoProcesses is how many share one expired login.
const demoProcesses = 10

func (d *demo) steps() []demoStep {
	return []demoStep{
		{"A server is up", d.showServer, tally{}},
		{"Sign in with a browser", d.signIn, tally{requests: 1}},
		{"Call the backend", d.call, tally{backend: 1}},
		{"Refresh", d.refresh, tally{requests: 1, refreshes: 1}},
		{"A 401 from the backend", d.recover, tally{requests: 1, refreshes: 1, backend: 2, refused: 1}},
		{fmt.Sprintf("%d processes find the token expired", demoProcesses), d.share, tally{requests: 1, refreshes: 1}},
		{"2 clients without codexauth", d.race, tally{requests: 3, refreshes: 1, reuses: 1}},
		{"Sign out", d.signOut, tally{}},
	}
}

func (d *demo) showServer(context.Context) (string, error) {
	return "authorization server and Codex backend at " + d.server.URL(), nil
}

func (d *demo) signIn(ctx context.Context) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var account codexauth.Account
	b := &login.Browser{
		Provider: d.told,
		Ports:    []int{0}, // the registered ones may be in use by a real sign-in
		Open:     func(url string) error { return Consent(ctx, url, "allow") },
		Events: func(e login.Event) {
			if opened, ok := e.(login.Opened); ok && opened.Err != nil {
				cancel(fmt.Errorf("the browser's part: %w", opened.Err))
			}
		},
	}
	err := b.Run(ctx, func(ctx context.Context, g codexauth.Grant) (err error) {
		account, err = d.login.SignIn(ctx, g, codexauth.SignInOptions{})
		return err
	})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("as %s; PKCE, the state and the redirect were checked,\nand the login was stored before the browser said so", ui.AccountText(account)), nil
}

func (d *demo) call(ctx context.Context) (string, error) {
	said, err := d.ask(ctx, "Hello from one login!")
	return "signed by the http.Client of the library; it streamed back:\n" + said, err
}

// ask sends a prompt to the backend and returns the text that it streams back.
func (d *demo) ask(ctx context.Context, prompt string) (string, error) {
	body, err := json.Marshal(map[string]any{
		"model": "gpt-sandbox", "stream": true, "store": false,
		"input": []any{map[string]any{"role": "user", "content": prompt}},
	})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server.BackendURL()+"/responses", bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := d.login.Client().Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the backend answered %d", resp.StatusCode)
	}
	said, err := streamedText(resp.Body)
	if err == nil && !strings.Contains(said, prompt) {
		err = errors.New("the backend streamed other words than it was given")
	}
	return cleantext.Line(said), err
}

// streamedText joins the text of a stream of server-sent events.
func streamedText(r io.Reader) (string, error) {
	var said strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct{ Type, Delta string }
		if err := json.Unmarshal([]byte(data), &event); err != nil {
			return "", err
		}
		if event.Type == "response.output_text.delta" {
			said.WriteString(event.Delta)
		}
	}
	return said.String(), lines.Err()
}

func (d *demo) refresh(ctx context.Context) (string, error) {
	before, err := d.login.Token(ctx)
	if err != nil {
		return "", err
	}
	after, err := d.login.Refresh(ctx)
	if err != nil {
		return "", err
	}
	if after.AccessToken.Equal(before.AccessToken) {
		return "", errors.New("the access token is still the old one")
	}
	return "a new access token; the old refresh token is spent, and its successor\nwas on the disk before anybody saw that", nil
}

func (d *demo) recover(ctx context.Context) (string, error) {
	d.server.SetAccessTTL(2 * time.Second) // for the step after this one
	d.server.ExpireAccessTokens()
	_, err := d.ask(ctx, "Hello again!")
	return "one 401, one refresh, and the same request went through; the caller\nnoticed nothing", err
}

func (d *demo) share(ctx context.Context) (string, error) {
	if err := d.untilExpired(ctx); err != nil {
		return "", err
	}
	d.server.SetAccessTTL(time.Hour)
	if err := d.server.SetFaults(sandbox.Fault{Name: "latency", Arg: "300ms"}); err != nil {
		return "", err
	}
	tokens, errs := make([]string, demoProcesses), make([]error, demoProcesses)
	var wg sync.WaitGroup
	for i := range demoProcesses {
		wg.Go(func() { tokens[i], errs[i] = d.tokenProcess(ctx) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	for _, t := range tokens {
		if t == "" || t != tokens[0] {
			return "", errors.New("the processes did not all print the same token")
		}
	}
	return "real processes, all at once, and a slow server: one of them asked, and\nall of them printed the same new token", nil
}

// untilExpired waits for the access token to expire.
func (d *demo) untilExpired(ctx context.Context) error {
	for {
		s, err := d.login.Status(ctx)
		if err != nil || s.State == codexauth.StateExpired {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tokenProcess runs `codexauth token` as a process of its own.
func (d *demo) tokenProcess(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, self, "token", "--store", d.store.String(), "--issuer", d.server.URL())
	cmd.Args[0] = "codexauth"
	cmd.Env = []string{config.Variable + "=" + os.DevNull} // nothing of the person's own settings
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "CODEXAUTH_") {
			cmd.Env = append(cmd.Env, variable)
		}
	}
	var problem strings.Builder
	cmd.Stderr = &problem
	token, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("codexauth token: %w: %s", err, cleantext.OneLine(problem.String()))
	}
	return string(token), err
}

// race lets two clients that share a login the usual way, each with a copy of
// its refresh token, refresh at once. It is a login of its own.
func (d *demo) race(ctx context.Context) (string, error) {
	shared := d.server.Issue(sandbox.User{Email: "unlucky@sandbox.test"}).RefreshToken
	answers, errs := make([]naiveAnswer, 2), make([]error, 2)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i], errs[i] = d.refreshNaively(ctx, shared) })
	}
	wg.Wait()
	d.server.ClearFaults()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	winner, loser := answers[0], answers[1]
	if winner.Token == "" {
		winner, loser = loser, winner
	}
	last, err := d.refreshNaively(ctx, winner.Token)
	if err != nil {
		return "", err
	}
	if loser.Token != "" || last.Token != "" {
		return "", errors.New("the server did not notice that a token was used twice")
	}
	return fmt.Sprintf("both sent the same refresh token: one of them got %s,\nthe server revoked the login, and the other one's next refresh fails, too", cleantext.Message(loser.Error.Code)), nil
}

// naiveAnswer is what a token endpoint answers.
type naiveAnswer struct {
	Token string `json:"refresh_token"`
	Error struct {
		Code string `json:"code"`
	} `json:"error"`
}

func (d *demo) refreshNaively(ctx context.Context, token string) (answer naiveAnswer, err error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {sandbox.DefaultClientID}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.server.URL()+"/oauth/token", strings.NewReader(form.Encode()))
	if err != nil {
		return answer, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	return answer, json.NewDecoder(resp.Body).Decode(&answer)
}

func (d *demo) signOut(ctx context.Context) (string, error) {
	if err := d.login.SignOut(ctx, false); err != nil {
		return "", err
	}
	if d.server.Counters().Revocations != 1 {
		return "", errors.New("the server was not told")
	}
	_, err := d.tokenProcess(ctx)
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != d.signedOut {
		return "", fmt.Errorf("`codexauth token` should say that nobody is signed in (exit %d): %v", d.signedOut, err)
	}
	return "no token is left in the store, the server has revoked the login, and\n`codexauth token` says so (exit 3)", nil
}
