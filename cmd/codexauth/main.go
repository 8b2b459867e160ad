// Command codexauth keeps one sign-in with ChatGPT (Codex) alive and shares it
// safely among all the programs that need it: `codexauth login` once, then
// `codexauth token` as often as you like, in as many processes as you like.
//
// One file is one command. A command parses, calls package codexauth, and
// prints: the answer on standard output, everything for people on standard error.
// What every command stands on is internal/run's. How people are talked to, what an
// error means, and the larger commands (serving, monitoring, setting up, moving) have
// packages below internal.
package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/rotator"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
)

func main() {
	a := &app{Run: &run.Run{Terminal: ui.Terminal{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}}}
	os.Exit(a.run(os.Args[1:]))
}

// app is one run of the command line.
type app struct {
	*run.Run
	// callbackPorts are where a sign-in in the browser ends; nil means the
	// registered ones.
	callbackPorts []int
	// anyUser is for tests, which run as root and in containers.
	anyUser bool
}

// run runs one command and returns the exit code.
func (a *app) run(args []string) int {
	if len(args) == 1 && args[0] == rotator.Command {
		return rotator.Main()
	}
	ctx, heed := run.UntilSignal(context.Background(), func(ctx context.Context, why error) {
		a.Flags.JSON = a.Flags.JSON || slices.Contains(args, "--json")
		os.Exit(a.Report(ctx, why))
	})
	a.HeedSignals = heed
	a.Signals = func() context.Context { heed(); return ctx }
	defer a.CloseStores()
	root := a.rootFor(args)
	if len(args) > 0 && strings.HasPrefix(args[0], cobra.ShellCompRequestCmd) {
		completeRest(root)
	}
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return verdict.Done
	}
	// What stands behind a flag that could not be read was not read either.
	a.Flags.JSON = a.Flags.JSON || slices.Contains(args, "--json")
	return a.Report(ctx, err)
}
