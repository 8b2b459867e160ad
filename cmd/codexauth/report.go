package main

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

// exitStatus ends a command that has already said all there is to say.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// judge is what an error means, in this run.
func (a *app) judge(ctx context.Context, err error) verdict.Verdict { return a.judges().Of(ctx, err) }

func (a *app) judges() verdict.Judge {
	return verdict.Judge{Leased: a.leased, OwnKey: a.ownKey, Command: a.command}
}

// remedy is what judge says to do, or an error that knows it better.
func (a *app) remedy(ctx context.Context, err error) string {
	var hinted *hint.Error
	if errors.As(err, &hinted) {
		return hinted.Hint
	}
	return a.judge(ctx, err).Hint
}

// report tells the person, or with --json the program, what went wrong.
func (a *app) report(ctx context.Context, err error) int {
	var status exitStatus
	if errors.As(err, &status) {
		return int(status)
	}
	v := a.judge(ctx, err)
	v.Hint = a.remedy(ctx, err)
	message := cleantext.OneLine(err.Error())
	if a.flags.json {
		a.reportJSON(message, v)
		return v.Exit
	}
	fmt.Fprintf(a.Stderr, "codexauth: %s\n", message)
	if v.Hint != "" {
		fmt.Fprintf(a.Stderr, "hint: %s\n", cleantext.OneLine(v.Hint))
	}
	return v.Exit
}

func (a *app) reportJSON(message string, v verdict.Verdict) {
	type body struct {
		Code     string `json:"code"`
		Message  string `json:"message"`
		Hint     string `json:"hint"`
		ExitCode int    `json:"exit_code"`
	}
	line, _ := ui.JSONLine(map[string]body{"error": {v.Code, message, v.Hint, v.Exit}}) // texts and a number: it never fails
	// Where standard error can't be written the exit code alone has to do.
	_, _ = io.WriteString(a.Stderr, line)
}

// command is a command for the person to type, about the login at hand: it repeats
// the flags that say which that is. Variables say it again by themselves.
func (a *app) command(args string) string { return a.commandOf(a.profile, args) }

// commandOf is command about another profile's login.
func (a *app) commandOf(profile, args string) string {
	flags := ""
	add := func(flag, value string) {
		if value != "" {
			flags += flag + " " + ui.ShellWord(value) + " "
		}
	}
	if profile != codexauth.DefaultKey {
		add("--profile", profile)
	}
	if a.leased { // the other flags are about the way to the broker
		return "`codexauth " + flags + args + "` where the broker runs"
	}
	if !strings.HasPrefix(args, "store copy") { // which names its stores itself
		add("--store", address.WithoutPassword(a.flags.store))
	}
	add("--issuer", a.flags.issuer)
	add("--client-id", a.flags.clientID)
	add("--identity-file", a.flags.identityFile)
	add("--ca-file", a.flags.caFile)
	return "`codexauth " + flags + args + "`"
}
