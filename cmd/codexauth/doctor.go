package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Check everything that a login depends on, and say what to do",
		Long: `Check everything that a login depends on: the store, the login itself, the
network, the ports of a sign-in, the official Codex CLI's files, this machine. One
line tells of each check; below a problem stands what to do.

Nothing is changed, spent, refreshed or deleted, nobody is asked, and no secret
is shown. The issuer and the backend are each sent one request without a token.

The exit code is 0 if there is no problem, warnings or not, and otherwise 1; 2 if
the command line can't be meant. With --json: {"checks":[{"name","state","detail",
"remedy"}],"state"}, where state is ok, warning, problem or, of a check, skipped.`,
		Example: `  codexauth doctor
  codexauth --profile work doctor
  codexauth doctor --json | jq -r '.checks[] | select(.state == "problem") | .name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd) },
	}
}

func (a *app) doctor(cmd *cobra.Command) error {
	a.asksNobody = true
	q, err := a.doctorQuestions(cmd)
	if err != nil {
		return err
	}
	d, err := newDoctor(cmd.Context(), q)
	if err != nil {
		return err
	}
	stop := a.after(time.Second, "looking, for some seconds…")
	found := d.examine(cmd.Context())
	stop()
	if err := found.tell(&a.console, a.flags.json); err != nil {
		return err
	}
	if !found.healthy() {
		return exitStatus(exitFailed)
	}
	return nil
}

// doctorQuestions answers what the examination asks. An error is a command line
// that can't be meant.
func (a *app) doctorQuestions(cmd *cobra.Command) (q questions, err error) {
	given, err := a.given(cmd)
	if err != nil {
		return q, err
	}
	q = questions{
		place: given.newPlace(), store: given.store, ports: a.callbackPorts, log: a.log(),
		opened:  func(p *place) { a.opened = append(a.opened, p) },
		remedy:  func(ctx context.Context, err error) string { return a.verdict(ctx, err).hint },
		command: a.command,
		brokerRemedy: func(err error) (string, bool) {
			v, ok := judgeBroker(err)
			return v.hint, ok
		},
		keyringRemedy: func(err error) (string, bool) { return judgeKeyring(err).hint, isKeyringError(err) },
	}
	if q.provider, err = q.place.provider.Complete(); err != nil {
		return q, err
	}
	if q.place.sealer, err = a.sealer(given.identity); err != nil {
		return q, err
	}
	q.caErr = q.place.trust(given.caFile)
	return q, nil
}
