// Command codexauth keeps one sign-in with ChatGPT (Codex) alive and shares it
// safely among all the programs that need it: `codexauth login` once, then
// `codexauth token` as often as you like, in as many processes as you like.
//
// One file is one command. A command parses, calls package codexauth, and
// prints: the answer on standard output, everything for people on standard error.
// Where the login is kept is internal/place's; how people are talked to, what an
// error means, and the larger commands have packages below internal.
package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/config"
	"codexauth/internal/place"
)

func main() {
	a := &app{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}}
	os.Exit(a.run(os.Args[1:]))
}

// app is one run of the command line.
type app struct {
	ui.Terminal
	flags globalFlags
	// said is every setting of this run, once they are known.
	said *config.Settings
	// profile is the one that the run is about, where the file does not say so.
	profile string
	// leased says that a broker has the login.
	leased bool
	// ownKey: its store has a key of its own, and takes no --identity-file.
	ownKey bool
	// callbackPorts are where a sign-in in the browser ends; nil means the
	// registered ones.
	callbackPorts []int
	// opened are the places whose stores are closed at the end.
	opened []*place.Place
	warned bool // of a password on the command line
	// anyUser is for tests, which run as root and in containers.
	anyUser bool
	// overtakeAfter is for tests; 0 means the usual time.
	overtakeAfter time.Duration
	// onEvent hears what happens to the login, in a command that stays.
	onEvent func(codexauth.Event)
	// heedSignals makes signals end the run's context from now on; see signals.go.
	heedSignals func()
}

// run runs one command and returns the exit code.
func (a *app) run(args []string) int {
	if len(args) == 1 && args[0] == rotator.Command {
		return rotator.Main()
	}
	ctx, heed := untilSignal(context.Background(), func(ctx context.Context, why error) {
		a.flags.json = a.flags.json || slices.Contains(args, "--json")
		os.Exit(a.report(ctx, why))
	})
	a.heedSignals = heed
	a.Signals = func() context.Context { heed(); return ctx }
	defer a.closeStores()
	root := a.rootCommand()
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		completeRest(root)
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return verdict.Done
	}
	// What stands behind a flag that could not be read was not read either.
	a.flags.json = a.flags.json || slices.Contains(args, "--json")
	return a.report(ctx, err)
}

// closeStores takes leave of the servers that stores are kept on.
func (a *app) closeStores() {
	for _, p := range a.opened {
		p.Close()
	}
}
