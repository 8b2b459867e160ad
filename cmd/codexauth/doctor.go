package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/doctor"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/config"
	"codexauth/internal/place"
)

func (a *app) doctorCommand() *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a login depends on, and say what to do",
		Long: `Check everything that a login depends on: the store, the login itself, the
network, the ports of a sign-in, the official Codex CLI's files, this machine. One
line reports each check; below a problem is what to do. At a terminal only
problems and warnings are shown, and how many checks there were; with --all, every
check.

Nothing is changed, spent, refreshed or deleted, nobody is asked, and no secret
is shown. The issuer and the backend are each sent one request without a token.

The exit code is 0 if there is no problem, warnings or not, and otherwise 1; 2 if
the command line is invalid. With --json: {"checks":[{"name","state","detail",
"remedy"}],"state"}, where state is ok, warning, problem or, of a check, skipped.`,
		Example: `  codexauth doctor
  codexauth --profile work doctor
  codexauth doctor --json | jq -r '.checks[] | select(.state == "problem") | .name'`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd, all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "show every check, at a terminal, too")
	return cmd
}

func (a *app) doctor(cmd *cobra.Command, all bool) error {
	a.AsksNobody = true
	q, err := a.doctorQuestions(cmd)
	if err != nil {
		return err
	}
	d, err := doctor.New(cmd.Context(), q)
	if err != nil {
		return err
	}
	stop := a.After(time.Second, "checking; this takes a few seconds…")
	found := d.Examine(cmd.Context())
	stop()
	if err := found.Tell(&a.Terminal, a.Flags.JSON, all); err != nil {
		return err
	}
	if !found.Healthy() {
		return run.ExitStatus(verdict.Failed)
	}
	return nil
}

// doctorQuestions answers what the examination asks. An error is a command line
// that can't be meant.
func (a *app) doctorQuestions(cmd *cobra.Command) (q doctor.Questions, err error) {
	said, settingsErr := a.Resolve(cmd)
	var unusable *config.Error
	if errors.As(settingsErr, &unusable) { // a finding, and the rest can be looked at without it
		said = config.Resolve(a.Flags.Value, os.Getenv, &config.File{Path: unusable.Path})
	} else if settingsErr != nil {
		return q, settingsErr
	}
	q = doctor.Questions{
		Place: place.Of(said), Store: said.Get(config.Store).Value, Ports: a.callbackPorts, Log: a.Log(),
		Settings: said, SettingsErr: settingsErr,
		Opened:  func(p *place.Place) { a.CloseAtEnd(p) },
		Remedy:  a.Remedy,
		Command: a.Command,
	}
	if q.Provider, err = q.Place.Provider.Complete(); err != nil {
		return q, err
	}
	if q.Place.Sealer, err = a.Sealer(said.Get(config.IdentityFile).Value); err != nil {
		return q, err
	}
	q.CAErr = q.Place.Trust(said.Get(config.CAFile).Value)
	return q, nil
}
