package ui

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/oauth"
	"codexauth/login"
)

// A DeviceLogin shows a code and waits for somebody to type it in elsewhere.
type DeviceLogin struct {
	Hear func(login.Event) // hears each event first

	term      *Terminal
	device    login.Device
	issuer    string // host
	qr        bool
	otherWay  string // to sign in
	told      string // the last reason to go on slowly
	countdown bool   // the cursor is in the line that counts down
}

// NewDevice signs in at the provider by way of hc, where nil is the usual one.
// otherWay is what to do where that is not possible.
func NewDevice(t *Terminal, p codexauth.Provider, hc *http.Client, timeout time.Duration, qr bool, otherWay string) *DeviceLogin {
	issuer := cmp.Or(p.Issuer, oauth.OpenAIIssuer)
	d := &DeviceLogin{Hear: func(login.Event) {}, term: t, issuer: hostOf(issuer), qr: qr, otherWay: otherWay}
	d.device = login.Device{Provider: p, HTTPClient: hc, Timeout: timeout, Events: d.event}
	return d
}

// Run is [login.Device.Run], with a way out where that is not possible.
func (d *DeviceLogin) Run(ctx context.Context, finish func(context.Context, codexauth.Grant) error) error {
	err := d.device.Run(ctx, func(ctx context.Context, g codexauth.Grant) error {
		d.endCountdown()
		return finish(ctx, g)
	})
	d.endCountdown()
	if errors.Is(err, login.ErrDeviceNotEnabled) {
		return hint.With(err, d.otherWay)
	}
	return err
}

func (d *DeviceLogin) event(e login.Event) {
	d.Hear(e)
	switch e := e.(type) {
	case login.DeviceCode:
		d.show(e)
	case login.Waiting:
		d.count(e.Left)
	case login.Slowed:
		if why := cleantext.OneLine(e.Err.Error()); IsTerminal(d.term.Stderr) || why != d.told { // a log is told once
			d.told = why
			d.endCountdown()
			d.term.Say("%s; asking again in %v", why, e.Wait.Round(time.Second))
		}
	}
}

// onlyYours is why a code must not come from somebody else: whoever types it in
// signs in the machine that shows it, wherever that is.
const onlyYours = "only if you started this sign-in yourself"

// show tells the code: with room around it to a person, in one line to a log.
func (d *DeviceLogin) show(e login.DeviceCode) {
	at := d.issuer
	if e.Host != d.issuer {
		at = fmt.Sprintf("%s (its page is on %s)", d.issuer, e.Host)
	}
	a := d.term
	if !IsTerminal(a.Stderr) {
		a.Say("To sign in to %s, open %s and enter the code %s, %s; until %s.",
			at, e.VerificationURL, e.UserCode, onlyYours, RFC3339(e.ExpiresAt))
	} else {
		a.Say("To sign in to %s, open this page on any device:\n\n  %s\n", at, e.VerificationURL)
		a.Say("and enter this code, %s:\n\n  %s\n", onlyYours, a.StyleOf(a.Stderr).Bold(e.UserCode))
	}
	if d.qr {
		a.DrawQR(cmp.Or(e.CompleteURL, e.VerificationURL))
	}
}

// count writes the time that is left over what it wrote before.
func (d *DeviceLogin) count(left time.Duration) {
	if !IsTerminal(d.term.Stderr) {
		return
	}
	seconds := int((left + time.Second - 1) / time.Second)
	fmt.Fprintf(d.term.Stderr, "\rWaiting for you, %02d:%02d left (Ctrl-C cancels)… ", seconds/60, seconds%60)
	d.countdown = true
}

func (d *DeviceLogin) endCountdown() {
	if d.countdown {
		d.term.Say("")
		d.countdown = false
	}
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Host
}
