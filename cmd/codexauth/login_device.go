package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"codexauth"
	"codexauth/login"
)

// deviceLogin shows a code and waits for somebody to type it in elsewhere.
type deviceLogin struct {
	app       *app
	device    login.Device
	issuer    string // host
	qr        bool
	told      string // the last reason to go on slowly
	countdown bool   // the cursor is in the line that counts down
}

func (a *app) device(p *place, o loginOptions) *deviceLogin {
	issuer := cmp.Or(p.provider.Issuer, codexauth.OpenAI().Issuer)
	d := &deviceLogin{app: a, issuer: hostOf(issuer), qr: o.qr}
	d.device = login.Device{Provider: p.provider, Timeout: o.timeout, Events: d.event}
	return d
}

// Run is [login.Device.Run], with a way out where that is not possible.
func (d *deviceLogin) Run(ctx context.Context, finish func(context.Context, codexauth.Grant) error) error {
	err := d.device.Run(ctx, func(ctx context.Context, g codexauth.Grant) error {
		d.endCountdown()
		return finish(ctx, g)
	})
	d.endCountdown()
	if errors.Is(err, login.ErrDeviceNotEnabled) {
		return &hintedError{err, "or sign in with a browser: " + d.app.command("login --no-browser")}
	}
	return err
}

func (d *deviceLogin) event(e login.Event) {
	switch e := e.(type) {
	case login.DeviceCode:
		d.show(e)
	case login.Waiting:
		d.count(e.Left)
	case login.Slowed:
		if why := oneLine(e.Err.Error()); isTerminal(d.app.stderr) || why != d.told { // a log is told once
			d.told = why
			d.endCountdown()
			d.app.say("%s; asking again in %v", why, e.Wait.Round(time.Second))
		}
	}
}

// onlyYours is why a code must not come from somebody else: whoever types it in
// signs in the machine that shows it, wherever that is.
const onlyYours = "only if you started this sign-in yourself"

// show tells the code: with room around it to a person, in one line to a log.
func (d *deviceLogin) show(e login.DeviceCode) {
	at := d.issuer
	if e.Host != d.issuer {
		at = fmt.Sprintf("%s (its page is on %s)", d.issuer, e.Host)
	}
	a := d.app
	if !isTerminal(a.stderr) {
		a.say("To sign in to %s, open %s and enter the code %s, %s; until %s.",
			at, e.VerificationURL, e.UserCode, onlyYours, rfc3339(e.ExpiresAt))
	} else {
		a.say("To sign in to %s, open this page on any device:\n\n  %s\n", at, e.VerificationURL)
		a.say("and enter this code, %s:\n\n  %s\n", onlyYours, a.styleOf(a.stderr).bold(e.UserCode))
	}
	if d.qr {
		a.drawQR(cmp.Or(e.CompleteURL, e.VerificationURL))
	}
}

// count writes the time that is left over what it wrote before.
func (d *deviceLogin) count(left time.Duration) {
	if !isTerminal(d.app.stderr) {
		return
	}
	seconds := int((left + time.Second - 1) / time.Second)
	fmt.Fprintf(d.app.stderr, "\rWaiting for you, %02d:%02d left (Ctrl-C cancels)… ", seconds/60, seconds%60)
	d.countdown = true
}

func (d *deviceLogin) endCountdown() {
	if d.countdown {
		d.app.say("")
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
