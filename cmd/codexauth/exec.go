package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/resident"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/address"
	"codexauth/internal/cleantext"
	"codexauth/internal/environ"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// The exit codes of `exec` that are not the command's own, as of env(1).
const (
	exitOwnFailure  = 125
	exitNotRunnable = 126
	exitNotFound    = 127
	exitBySignal    = 128 // plus the signal
)

func (a *app) execCommand() *cobra.Command {
	var remember serving.ByteSize
	cmd := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG]...",
		Short: "Run a command that uses the login without holding it",
		Long: `Run a command that uses the login without holding it.

While the command runs, a proxy of its own listens on 127.0.0.1, speaks OpenAI's
API (chat completions and Responses) and puts the credentials into requests. The
command gets the proxy's address as OPENAI_BASE_URL and a key for it, good for
this run only, as OPENAI_API_KEY. Programs that use an OpenAI SDK take both by
themselves; others have a setting for a base URL and a key. The official Codex
command line, codex, is given the options that point it at the proxy.

The exit code is the command's, or 128 and the number of the signal that ended
it; 127 if there is no such command, 126 if it can't be run, and 125 if codexauth
itself fails, for example because nobody is signed in; the command was then not
started.

Signals are passed on. If codexauth is killed with SIGKILL the command lives on,
without its proxy.`,
		Example: `  codexauth exec -- my-agent --task "fix the tests"
  codexauth exec -- codex exec "explain this repository"
  codexauth --profile work exec -- sh -c 'echo "Authorization: Bearer $OPENAI_API_KEY" | curl -H @- "$OPENAI_BASE_URL/models"'`,
		DisableFlagsInUseLine: true,
		Args:                  cobra.ArbitraryArgs, // a mistake in them is exit code 125
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.execStatus(cmd.Context(), a.exec(cmd, args, remember))
		},
	}
	serving.RememberFlag(cmd.Flags(), &remember)
	cmd.Flags().SetInterspersed(false) // what follows COMMAND is its own
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return a.execStatus(cmd.Context(), run.FlagError(cmd, err))
	})
	return cmd
}

func (a *app) exec(cmd *cobra.Command, args []string, remember serving.ByteSize) error {
	if len(args) == 0 {
		return hint.Usage("`codexauth exec` needs a command to run", run.SeeHelp(cmd))
	}
	name := args[0]
	path, err := exec.LookPath(name)
	if err != nil {
		return unrunnable(name, err)
	}
	m, p, err := a.residentManager(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	stop := a.Waiting()
	_, err = m.Token(cmd.Context())
	stop()
	if err != nil {
		return err
	}
	f, err := serving.StartFront(a.Run, m, p, remember)
	if err != nil {
		return err
	}
	defer f.Close()
	args = childArgs(args, f)
	command, before, err := direct(name, path, args)
	if err != nil {
		return unrunnable(name, err)
	}
	child := exec.Command(command)
	child.Args = slices.Concat([]string{name}, before, args)
	child.Stdin, child.Stdout, child.Stderr = a.Stdin, a.Stdout, a.Stderr
	child.Env = append(childEnv(os.Environ(), p.Address), "OPENAI_BASE_URL="+f.URL+"/v1", "OPENAI_API_KEY="+f.Key)
	a.HeedSignals() // from now on they are the command's
	return runToEnd(child)
}

// residentManager is Run.Manager for a command that stays: the login is kept
// fresh as long as it does.
func (a *app) residentManager(cmd *cobra.Command) (*codexauth.Manager, *place.Place, error) {
	p, err := a.Place(cmd)
	if err != nil {
		return nil, nil, err
	}
	m, err := codexauth.NewManager(a.Config(p))
	return m, p, err
}

// runToEnd runs child and passes signals on to it. Its error says how child
// ended; nil is exit code 0.
func runToEnd(child *exec.Cmd) error {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, run.Heeded(passedOn()...)...)
	defer signal.Stop(signals)
	if err := child.Start(); err != nil {
		return unrunnable(child.Args[0], err)
	}
	defer resident.AdoptOrphans()()
	ended := make(chan error, 1)
	go func() { ended <- child.Wait() }()
	for {
		select {
		case s := <-signals:
			passOn(child.Process, s)
		case err := <-ended:
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) {
				return err
			}
			if code := exitCode(child.ProcessState); code != 0 {
				return run.ExitStatus(code)
			}
			return nil
		}
	}
}

// childArgs are the command's own arguments, after those that point the official
// command line at the proxy: its built-in provider takes no plain HTTP.
func childArgs(args []string, f *serving.Front) []string {
	name := filepath.Base(args[0])
	if runtime.GOOS == "windows" {
		name = strings.ToLower(strings.TrimSuffix(name, filepath.Ext(name)))
	}
	if name != "codex" {
		return args[1:]
	}
	// Not the id that "setup codex" writes: options and settings of one id are merged,
	// and that one has an auth.command, beside which there can be no env_key.
	const provider = "model_providers.codexauth_exec."
	return append([]string{
		"-c", `model_provider="codexauth_exec"`,
		"-c", provider + `name="codexauth"`,
		"-c", provider + `base_url="` + f.URL + `/backend-api/codex"`,
		"-c", provider + `env_key="OPENAI_API_KEY"`,
		"-c", provider + `wire_api="responses"`,
	}, args[1:]...)
}

// childEnv keeps what opens the store at an address from the command, and HTTP
// clients from asking a proxy for 127.0.0.1, which would show it the key.
func childEnv(env []string, at string) []string {
	kinds := []string{at}
	env = slices.Clone(env)
	for i, pair := range env {
		if environ.Is(pair, "CODEXAUTH_STORE") {
			name, store, _ := strings.Cut(pair, "=")
			kinds = append(kinds, store)
			env[i] = name + "=" + address.WithoutPassword(store)
		}
	}
	env = environ.WithoutSecrets(env, kinds...)
	var direct []string
	proxied := false
	for _, pair := range env {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToUpper(name) {
		case "HTTP_PROXY", "ALL_PROXY":
			proxied = proxied || value != ""
		case "NO_PROXY":
			if value != "" {
				direct = append(direct, strings.TrimSpace(value))
			}
		}
	}
	if !proxied {
		return env
	}
	// What says "everything" says it alone: curl and others take it for a host's
	// name where it stands in a list.
	everything := "*"
	if !slices.Contains(direct, everything) {
		everything = strings.Join(append(direct, "127.0.0.1"), ",")
	}
	return append(env, "NO_PROXY="+everything, "no_proxy="+everything)
}

// execError is a command that does not run.
type execError struct {
	message string
	code    string // for programs
	exit    int
}

func (e *execError) Error() string { return e.message }

func unrunnable(name string, err error) error {
	name = cleantext.OneLine(name)
	switch {
	case errors.Is(err, exec.ErrDot):
		return &execError{name + " is in the current directory, which is not searched; write ." + string(filepath.Separator) + name, "not_found", exitNotFound}
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist) && !exists(name):
		return &execError{name + ": there is no such command", "not_found", exitNotFound}
	}
	var pathErr *fs.PathError
	var lookErr *exec.Error
	switch {
	case errors.As(err, &pathErr):
		err = pathErr.Err
	case errors.As(err, &lookErr):
		err = lookErr.Err
	}
	return &execError{fmt.Sprintf("%s can't be run: %v", name, err), "not_runnable", exitNotRunnable}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// execStatus says what went wrong, unless the command has had its own say, and
// returns the exit code of it.
func (a *app) execStatus(ctx context.Context, err error) error {
	var own run.ExitStatus
	if err == nil || errors.As(err, &own) {
		return err
	}
	v := a.Judge(ctx, err)
	v.Exit = exitOwnFailure
	var unrun *execError
	var signalled run.Stopped
	switch {
	case errors.As(err, &unrun):
		v = verdict.Verdict{Code: unrun.code, Exit: unrun.exit}
	case verdict.Stopped(ctx, err) && errors.As(context.Cause(ctx), &signalled):
		v.Exit = exitBySignal + signalNumber(signalled.Signal)
	}
	if a.Flags.JSON {
		a.ReportJSON(cleantext.OneLine(err.Error()), v)
		return run.ExitStatus(v.Exit)
	}
	a.Say("codexauth: %s", cleantext.OneLine(err.Error()))
	if v.Hint != "" {
		a.Say("hint: %s", cleantext.OneLine(v.Hint))
	}
	return run.ExitStatus(v.Exit)
}
