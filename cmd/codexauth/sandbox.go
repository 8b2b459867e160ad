package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/hint"
	"codexauth/sandbox"
)

type sandboxOptions struct {
	port        int
	accessTTL   time.Duration
	grace       time.Duration
	keepFamily  bool
	autoApprove bool
	latency     time.Duration
	faults      []string
	clockOffset time.Duration
	seed        uint64
	listFaults  bool
}

func (a *app) sandboxCommand() *cobra.Command {
	var o sandboxOptions
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a stand-in for the authorization server and the backend",
		Long: `Run a stand-in for the authorization server and the Codex backend, on this
machine only, until Ctrl-C. It is for trying things out and for tests: it has no
real accounts, rotates refresh tokens, revokes a login whose spent token comes
back, and fails on demand.

A fault is NAME[=ARG][*TIMES][@GRANT], for example drop-after*1@refresh.
While it runs, the control endpoint changes faults and reads the counters.`,
		Example: `  codexauth sandbox demo                       the whole story in ten seconds
  codexauth sandbox                            on port 8460
  codexauth sandbox --access-ttl 30s --fault latency=500ms
  codexauth sandbox --list-faults`,
		Args: run.UnknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.sandbox(cmd, o) },
	}
	f := cmd.Flags()
	f.IntVar(&o.port, "port", 8460, "`PORT` to listen on; 0 picks a free one")
	f.DurationVar(&o.accessTTL, "access-ttl", time.Hour, "`DURATION` that an access token lives")
	f.DurationVar(&o.grace, "grace", 0, "`DURATION` for which a spent refresh token is still accepted")
	f.BoolVar(&o.keepFamily, "keep-family", false, "refuse a spent refresh token without revoking the login")
	f.BoolVar(&o.autoApprove, "auto-approve", false, "sign in at once, without login page and consent")
	f.DurationVar(&o.latency, "latency", 0, "`DURATION` to wait before each answer of the token endpoint")
	f.StringArrayVar(&o.faults, "fault", nil, "a `FAULT` to begin with (may be repeated)")
	f.DurationVar(&o.clockOffset, "clock-offset", 0, "`DURATION` that the server's clock is ahead")
	f.Uint64Var(&o.seed, "seed", 0, "`NUMBER` that makes tokens and ids the same in every run; 0 is random")
	f.BoolVar(&o.listFaults, "list-faults", false, "list the faults and end")
	_ = cmd.RegisterFlagCompletionFunc("fault", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return faultWords(), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	})
	cmd.AddCommand(a.demoCommand())
	return cmd
}

func (a *app) sandbox(cmd *cobra.Command, o sandboxOptions) error {
	if o.listFaults {
		return a.listFaults()
	}
	faults, err := o.check()
	if err != nil {
		return err
	}
	a.HeedSignals()
	s, err := sandbox.Start(sandbox.Config{
		Addr:        fmt.Sprintf("127.0.0.1:%d", o.port),
		AccessTTL:   o.accessTTL,
		Grace:       o.grace,
		KeepFamily:  o.keepFamily,
		AutoApprove: o.autoApprove,
		ClockOffset: o.clockOffset,
		Seed:        o.seed,
		Log:         a.Log(),
	})
	if err != nil {
		return hint.With(err, "--port takes another port, and --port 0 picks a free one")
	}
	defer s.Close()
	if err := s.SetFaults(faults...); err != nil {
		return err
	}
	if err := a.sandboxReady(s); err != nil {
		return err
	}
	<-cmd.Context().Done()
	a.Say("\nThe sandbox has seen:\n%s", counterLines(s.Counters()))
	return nil
}

// check reads the faults and refuses values that the server would not know what
// to do with.
func (o sandboxOptions) check() ([]sandbox.Fault, error) {
	switch {
	case o.port < 0 || o.port > 65535:
		return nil, hint.Usagef("--port %d is not a port: it takes 0 to 65535", o.port)
	case o.grace < 0:
		return nil, hint.Usagef("--grace %v is negative", o.grace)
	case o.latency < 0:
		return nil, hint.Usagef("--latency %v is negative", o.latency)
	}
	var faults []sandbox.Fault
	if o.latency > 0 {
		faults = append(faults, sandbox.Fault{Name: "latency", Arg: o.latency.String()})
	}
	for _, text := range o.faults {
		f, err := sandbox.ParseFault(text)
		if err != nil {
			return nil, hint.Usage(err.Error(), "`codexauth sandbox --list-faults` explains them")
		}
		faults = append(faults, f)
	}
	return faults, nil
}

func (a *app) sandboxReady(s *sandbox.Server) error {
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Issuer     string `json:"issuer"`
			Backend    string `json:"backend"`
			Control    string `json:"control"`
			ControlKey string `json:"control_key"`
		}{s.URL(), s.BackendURL(), s.URL() + "/sandbox/control", s.ControlKey()})
	}
	a.Say(`A stand-in for tests, on this machine only: it has no real accounts.

  issuer       %s
  backend      %s
  control key  %s

Try, in another terminal:

  CODEXAUTH_ISSUER=%[1]s codexauth --profile sandbox login
  CODEXAUTH_ISSUER=%[1]s codexauth --profile sandbox token
  curl -sH 'X-Sandbox-Key: %[3]s' %[1]s/sandbox/control

Ctrl-C ends it.`, s.URL(), s.BackendURL(), s.ControlKey())
	return nil
}

func (a *app) listFaults() error {
	faults := sandbox.FaultNames()
	if a.Flags.JSON {
		return a.PrintJSON(faults)
	}
	rows := [][]string{{"FAULT", "ENDPOINT", "WHAT HAPPENS"}}
	for _, f := range faults {
		rows = append(rows, []string{faultWord(f), f.Endpoint, f.Help})
	}
	return a.PrintTable(rows)
}

func faultWord(f sandbox.FaultDoc) string {
	if f.Arg == "" {
		return f.Name
	}
	return f.Name + "=" + f.Arg
}

func faultWords() []string {
	var words []string
	for _, f := range sandbox.FaultNames() {
		word := f.Name
		if f.Arg != "" {
			word += "="
		}
		words = append(words, word)
	}
	return words
}

// counterLines shows the counters that are not zero, in the server's order.
func counterLines(c sandbox.Counters) string {
	text, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	var lines strings.Builder
	for pair := range strings.SplitSeq(strings.Trim(string(text), "{}"), ",") {
		name, count, _ := strings.Cut(pair, ":")
		if count != "0" {
			fmt.Fprintf(&lines, "  %-22s %6s\n", strings.ReplaceAll(strings.Trim(name, `"`), "_", " "), count)
		}
	}
	if lines.Len() == 0 {
		return "  no request at all"
	}
	return strings.TrimSuffix(lines.String(), "\n")
}
