package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// checkResult is what a monitoring plugin answers: its exit code.
type checkResult int

const (
	checkOK checkResult = iota
	checkWarning
	checkCritical
	checkUnknown
)

func (r checkResult) String() string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[r]
}

// checkPatience is how long a check waits for the store.
const checkPatience = 8 * time.Second

// statusCheck answers as Nagios, Icinga and their like want it: one line, and an exit
// code of theirs.
func (a *app) statusCheck(cmd *cobra.Command, warnBefore time.Duration) error {
	if warnBefore < 0 {
		return hint.Usagef("--warn-before is a time to come, such as 10m")
	}
	if a.flags.json {
		return hint.Usagef("--check prints a line for monitoring plugins; without it, --json has the status")
	}
	result, text := a.checked(cmd, warnBefore)
	if err := a.Print(fmt.Sprintf("CODEXAUTH %s - %s\n", result, text)); err != nil {
		return err
	}
	if result == checkOK {
		return nil
	}
	return exitStatus(int(result))
}

func (a *app) checked(cmd *cobra.Command, warnBefore time.Duration) (checkResult, string) {
	m, _, err := a.manager(cmd)
	if err != nil {
		return checkUnknown, cleantext.OneLine(err.Error())
	}
	defer a.finish(m)
	ctx, cancel := context.WithTimeout(cmd.Context(), checkPatience)
	defer cancel()
	s, err := m.Status(ctx)
	if err != nil {
		return checkUnknown, "the login's state can't be read: " + cleantext.OneLine(err.Error())
	}
	result, text := judge(s, warnBefore, time.Now())
	if !s.ExpiresAt.IsZero() { // performance data: how many seconds are left
		text += fmt.Sprintf(" | left=%ds;%d;0", int64(s.ExpiresAt.Sub(time.Now().Add(s.Skew)).Seconds()), int64(warnBefore.Seconds()))
	}
	return result, text
}

// judge says how bad a status is.
func judge(s codexauth.Status, warnBefore time.Duration, now time.Time) (checkResult, string) {
	name := cleantext.OneLine(s.Key) + ": "
	left := s.ExpiresAt.Sub(now.Add(s.Skew))
	switch {
	case s.State == codexauth.StateRefused:
		return checkCritical, name + "no longer accepted by the server (" + cleantext.OneLine(ui.Reason(s.LastRefusal)) + "): sign in again"
	case s.State == codexauth.StateSignedOut && s.Rescued != "":
		return checkCritical, name + "its store is away, and a rescued login waits"
	case s.State == codexauth.StateSignedOut:
		return checkCritical, name + "not signed in"
	case s.State == codexauth.StateExpired && s.Failure != nil:
		return checkCritical, name + "the token has expired, and refreshing it fails: " + cleantext.OneLine(s.Failure.Error())
	case s.Failure != nil:
		return checkWarning, name + "the last refresh failed: " + cleantext.OneLine(s.Failure.Error())
	case s.Rescued != "":
		return checkWarning, name + "a newer token waits in a rescue file: the store did not take it"
	case s.Pending != nil && s.Abandoned:
		return checkWarning, name + "a refresh was cut off; the next one tells whether the login is lost"
	case s.State == codexauth.StateExpired:
		return checkWarning, name + "the token has expired; the next use refreshes it"
	case left < warnBefore:
		return checkWarning, name + "the token expires in " + left.Round(time.Second).String() + ", and nobody has refreshed it"
	}
	return checkOK, name + string(s.State) + ", the token is good for " + left.Round(time.Second).String()
}
