package main

import (
	"context"
	"time"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/login"
)

// With --json a sign-in tells on standard output, one object a line, what a program
// has to show to a person, so that an editor can drive it. The last line is the status
// of the new login.

type authorizeEvent struct {
	Event       string `json:"event"`
	URL         string `json:"url"`
	RedirectURI string `json:"redirect_uri"` // where the browser ends
	ExpiresAt   string `json:"expires_at"`   // when the wait for the person ends
}

type deviceCodeEvent struct {
	Event       string  `json:"event"`
	URI         string  `json:"verification_uri"`
	CompleteURI *string `json:"verification_uri_complete"` // the same with the code in it; null if there is none
	UserCode    string  `json:"user_code"`
	ExpiresAt   string  `json:"expires_at"`
}

// noticeEvent is something to know while the sign-in goes on.
type noticeEvent struct {
	Event   string `json:"event"`
	Message string `json:"message"`
}

type signedInEvent struct {
	Event string `json:"event"`
	statusBody
}

// A driver is the program that drives a sign-in by what it reads.
type driver struct {
	print   func(v any) error
	gone    context.CancelCauseFunc // ends the sign-in: nobody could be shown where to go
	timeout time.Duration
	told    noticeEvent // the last one: a server that fails again is reported once
}

// driver is nil, which hears nothing, unless a program reads the answer. The returned
// context ends when that program has gone.
func (a *app) driver(ctx context.Context, o loginOptions) (waiting context.Context, d *driver, err error) {
	if !a.Flags.JSON {
		return ctx, nil, nil
	}
	if err := a.NeedStdout(); err != nil {
		return nil, nil, err
	}
	waiting, gone := context.WithCancelCause(ctx)
	return waiting, &driver{print: a.PrintJSON, gone: gone, timeout: o.timeout}, nil
}

// hear passes an event on to the program.
func (d *driver) hear(e login.Event) {
	if d == nil {
		return
	}
	var line any
	switch e := e.(type) {
	case login.Ready:
		line = authorizeEvent{"authorize", e.URL, e.RedirectURI, ui.RFC3339(time.Now().Add(d.timeout))}
	case login.DeviceCode:
		line = deviceCodeEvent{"device_code", e.VerificationURL, ui.Known(e.CompleteURL), e.UserCode, ui.RFC3339(e.ExpiresAt)}
	case login.Opened:
		if e.Err != nil {
			line = noticeEvent{"browser_failed", cleantext.OneLine(e.Err.Error())}
		}
	case login.Rejected:
		line = noticeEvent{"rejected", cleantext.OneLine(e.Err.Error())}
	case login.Slowed:
		if n := (noticeEvent{"slowed", cleantext.OneLine(e.Err.Error())}); n != d.told {
			d.told, line = n, n
		}
	}
	if line == nil {
		return
	}
	if err := d.print(line); err != nil {
		d.gone(err)
	}
}
