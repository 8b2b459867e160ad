package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/monitoring"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// checkPatience is how long a check waits for the store.
const checkPatience = 8 * time.Second

// statusCheck answers as Nagios, Icinga and their like want it: one line, and an exit
// code of theirs.
func (a *app) statusCheck(cmd *cobra.Command, warnBefore time.Duration) error {
	if warnBefore < 0 {
		return hint.Usagef("--warn-before takes a duration above 0, such as 10m")
	}
	if a.Flags.JSON {
		return hint.Usagef("--check prints a line for monitoring plugins; without it, --json has the status")
	}
	result, text, data := a.checked(cmd, warnBefore)
	text = strings.ReplaceAll(text, "|", "/") // begins performance data, which a server's words are not
	if err := a.Print(fmt.Sprintf("CODEXAUTH %s - %s%s\n", result, text, data)); err != nil {
		return err
	}
	if result == monitoring.OK {
		return nil
	}
	return run.ExitStatus(int(result))
}

// checked also returns performance data: how many seconds are left.
func (a *app) checked(cmd *cobra.Command, warnBefore time.Duration) (_ monitoring.Result, text, data string) {
	m, _, err := a.Manager(cmd)
	if err != nil {
		return monitoring.Unknown, cleantext.OneLine(err.Error()), ""
	}
	defer a.Finish(m)
	ctx, cancel := context.WithTimeout(cmd.Context(), checkPatience)
	defer cancel()
	s, err := m.Status(ctx)
	if err != nil {
		return monitoring.Unknown, "the login's state can't be read: " + cleantext.OneLine(err.Error()), ""
	}
	result, text := monitoring.Judge(s, warnBefore, time.Now())
	if !s.ExpiresAt.IsZero() {
		data = fmt.Sprintf(" | left=%ds;%d;0", int64(s.ExpiresAt.Sub(time.Now().Add(s.Skew)).Seconds()), int64(warnBefore.Seconds()))
	}
	return result, text, data
}
