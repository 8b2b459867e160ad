package run

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"codexauth"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/address"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// ExitStatus ends a command that has already said all there is to say.
type ExitStatus int

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Judge is what an error means, in this run.
func (r *Run) Judge(ctx context.Context, err error) verdict.Verdict {
	return r.Judges().Of(ctx, err)
}

// Judges tells errors apart, in this run.
func (r *Run) Judges() verdict.Judge {
	return verdict.Judge{Leased: r.Leased, OwnKey: r.ownKey, Command: r.Command}
}

// Remedy is what Judge says to do, or an error that knows it better.
func (r *Run) Remedy(ctx context.Context, err error) string {
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		return hinted.Hint
	}
	return r.Judge(ctx, err).Hint
}

// Report tells the person, or with --json the program, what went wrong.
func (r *Run) Report(ctx context.Context, err error) int {
	var status ExitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	v := r.Judge(ctx, err)
	v.Hint = r.Remedy(ctx, err)
	message := cleantext.OneLine(err.Error())
	if r.Flags.JSON {
		r.ReportJSON(message, v)
		return v.Exit
	}
	fmt.Fprintf(r.Stderr, "codexauth: %s\n", message)
	if v.Hint != "" {
		fmt.Fprintf(r.Stderr, "hint: %s\n", cleantext.OneLine(v.Hint))
	}
	return v.Exit
}

// ReportJSON tells a program what went wrong.
func (r *Run) ReportJSON(message string, v verdict.Verdict) {
	type body struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Hint     string `json:"hint"`
		ExitCode int    `json:"exit_code"`
	}
	line, _ := ui.JSONLine(map[string]body{"error": {v.Code, message, v.Hint, v.Exit}}) // texts and a number: it never fails
	// Where standard error can't be written the exit code alone has to do.
	_, _ = io.WriteString(r.Stderr, line)
}

// Command is a command for the person to type, about the login at hand: it repeats
// the flags that say which that is. Variables say it again by themselves.
func (r *Run) Command(args string) string { return r.CommandOf(r.Profile, args) }

// CommandOf is Command about another profile's login.
func (r *Run) CommandOf(profile, args string) string {
	flags := ""
	add := func(flag, value string) {
		if value != "" {
			flags += flag + " " + cleantext.ShellWord(value) + " "
		}
	}
	if profile != codexauth.DefaultKey {
		add("--profile", profile)
	}
	if r.Leased { // the other flags are about the way to the broker
		return "`codexauth " + flags + args + "` where the broker runs"
	}
	if !strings.HasPrefix(args, "store copy") { // which names its stores itself
		add("--store", address.WithoutPassword(r.Flags.Store))
	}
	add("--issuer", r.Flags.Issuer)
	add("--client-id", r.Flags.ClientID)
	add("--identity-file", r.Flags.IdentityFile)
	add("--ca-file", r.Flags.CAFile)
	return "`codexauth " + flags + args + "`"
}
