package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/remember"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/browser"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
	"codexauth/login"
)

type loginOptions struct {
	noBrowser    bool
	device       bool
	qr           bool
	redirectHost string
	workspace    string
	force        bool
	noKeyring    bool
	remember     *remember.Offer
	timeout      time.Duration
}

func (a *app) loginCommand() *cobra.Command {
	var o loginOptions
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Sign in with your browser and store the login",
		Long: `Sign in with your browser and store the login.

It opens your browser, or prints the address to open in one. The browser comes
back to port 1455 (else 1457) of this machine. Where it can't, since it runs on
another machine, paste the address at which it ended.

With --device it shows a short code instead, to type in on a page that you open
on any device.

If a login is stored already, it asks before it replaces that. If the old login is
another account's, the server is then told to end it, which may end other sessions
of that account, too. --profile NAME keeps both.

The first sign-in at a desktop whose keyring answers asks whether to keep the login
sealed with a key in the keyring, from then on for every shell.

With --json a program can drive it: standard output has the address or the code to
show as one object a line ("event": "authorize" or "device_code"), and at the end
the status of the login ("signed_in").`,
		Example: `  codexauth login
  codexauth --profile work login
  codexauth login --no-browser       print the address only
  codexauth login --device --qr      sign in on your phone`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.login(cmd, o) },
	}
	f := cmd.Flags()
	f.BoolVar(&o.noBrowser, "no-browser", false, "don't start a browser, only print the address")
	f.BoolVar(&o.device, "device", false, "show a code to sign in with on another device")
	f.BoolVar(&o.qr, "qr", false, "draw the address as a QR code too (with --device or --no-browser)")
	f.StringVar(&o.redirectHost, "redirect-host", "localhost", "`HOST` of the address that the browser comes back to: localhost or 127.0.0.1")
	f.StringVar(&o.workspace, "workspace", "", "sign in to this workspace only (its `ID`, or several with commas)")
	f.BoolVar(&o.force, "force", false, "replace a stored login without asking, whatever is stored")
	f.BoolVar(&o.noKeyring, "no-keyring", false, "don't ask whether to use the keyring")
	o.remember = remember.Flags(cmd)
	f.DurationVar(&o.timeout, "timeout", 15*time.Minute, "`DURATION` to wait for you")
	run.CompleteWords(cmd, "redirect-host", "localhost", "127.0.0.1")
	return cmd
}

func (o loginOptions) check(cmd *cobra.Command) error {
	if err := o.remember.Check(); err != nil {
		return err
	}
	for _, name := range []string{"no-browser", "redirect-host", "workspace"} {
		if o.device && cmd.Flags().Changed(name) {
			return hint.Usage(fmt.Sprintf("--device and --%s exclude each other", name), "leave one of them out")
		}
	}
	switch {
	case o.qr && !o.device && !o.noBrowser:
		return hint.Usage("--qr is for signing in on another device", "add --device or --no-browser")
	case o.redirectHost != "localhost" && o.redirectHost != "127.0.0.1":
		return hint.Usage(fmt.Sprintf("--redirect-host %q is not registered", cleantext.OneLine(o.redirectHost)), "it takes localhost or 127.0.0.1")
	case o.timeout <= 0:
		return hint.Usagef("--timeout %v leaves no time to sign in", o.timeout)
	}
	return nil
}

func (a *app) login(cmd *cobra.Command, o loginOptions) error {
	if err := o.check(cmd); err != nil {
		return err
	}
	ctx := cmd.Context()
	if err := a.offerKeyring(cmd, o); err != nil {
		return err
	}
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	a.HeedSignals()
	if err := a.mayReplace(ctx, m, o.force); err != nil {
		return err
	}
	release, err := onlySignIn(ctx, p)
	if err != nil {
		return err
	}
	defer release()
	memo, err := o.remember.Memo(ctx, a.Run, p.Profile, p.Profile != config.DefaultProfile || remember.HasCompany(ctx, p), remember.WishesOfFlags(a.Said, p)...)
	if err != nil {
		return err
	}
	mention := a.mention(ctx, p)
	var account codexauth.Account
	waiting, driver, err := a.driver(ctx, o)
	if err != nil {
		return err
	}
	err = a.wayIn(p, o, driver).Run(waiting, func(_ context.Context, g codexauth.Grant) error {
		account, err = m.SignIn(ctx, g, codexauth.SignInOptions{Replace: o.force, Replaced: a.TellReplaced})
		return err
	})
	if err != nil {
		return err
	}
	if err := a.signedIn(ctx, m, p, account); err != nil {
		return err
	}
	mention()
	return memo.Keep(ctx)
}

// mayReplace asks before a sign-in takes the place of a login that works, and
// refuses to take that of a record that can't be read, unless forced.
func (a *app) mayReplace(ctx context.Context, m *codexauth.Manager, force bool) error {
	s, err := m.Status(ctx)
	unusable := errors.Is(err, codexauth.ErrDamaged) || errors.Is(err, codexauth.ErrNewerVersion) || errors.Is(err, codexauth.ErrOtherLogin) ||
		errors.Is(err, codexauth.ErrNotSealed)
	switch {
	case err != nil && !unusable:
		return err
	case err != nil && !force:
		return hint.With(err, "to sign in over it, which removes what is left of it here: "+a.Command("login --force"))
	case err != nil:
		a.Say("warning: replacing what is stored: %s", cleantext.OneLine(err.Error()))
		return nil
	case force, s.State == codexauth.StateSignedOut, s.State == codexauth.StateRefused:
		return nil
	case !a.CanAsk():
		return hint.With(fmt.Errorf("profile %q: %w as %s", s.Key, codexauth.ErrSignedIn, ui.AccountText(s.Account)),
			"to keep both, "+signInBeside+"; to replace that login, run "+a.Command("login --force"))
	}
	a.Say("To keep that login and sign in with another: %s.", signInBeside)
	return a.Confirm(ctx, fmt.Sprintf("Signed in as %s already. Replace it?", ui.AccountText(s.Account)))
}

// signInBeside is how to keep a login that is there already.
const signInBeside = "`codexauth --profile NAME login`, with a name of your choice"

// roomForLogin is more than a record of a login takes.
const roomForLogin = 64 << 10

// onlySignIn makes this the one sign-in of the profile that waits, since of two
// only one can have the redirect URI's port. It makes sure on the way that the
// store can be claimed and written, and a record sealed, before a person goes to
// the trouble of signing in.
func onlySignIn(ctx context.Context, p *place.Place) (release func() error, err error) {
	claiming, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	claim, err := p.Login(p.Profile).Store.Claim(claiming, p.Profile)
	switch {
	case err == nil:
		err = errors.Join(takesLogin(claiming, claim), claim.Release())
	case errors.Is(err, codexauth.ErrBusy):
		err = nil // by a refresh, which ends; the sign-in claims again
	}
	if err == nil {
		err = p.CanSeal()
	}
	if err != nil {
		return nil, err
	}
	unlock, err := lockfile.TryLock(p.LockFile("signin"))
	var busy *lockfile.BusyError
	if errors.As(err, &busy) {
		if pid := busy.Holder.PID; pid != 0 {
			return nil, fmt.Errorf("%w (process %d)", verdict.ErrSignInWaiting, pid)
		}
		return nil, verdict.ErrSignInWaiting
	}
	if err != nil { // no place for a lock: whoever comes second finds the port taken
		return func() error { return nil }, nil
	}
	return unlock, nil
}

// takesLogin makes sure that a claimed record can be written: by room that is reserved,
// else by writing it again as it is.
func takesLogin(ctx context.Context, claim codexauth.Claim) error {
	if r, ok := claim.(codexauth.Reserver); ok {
		return r.Reserve(ctx, roomForLogin)
	}
	if record := claim.Record(); record != nil {
		return claim.Commit(ctx, record)
	}
	return nil // the sign-in finds out, before it redeems anything
}

// A wayIn is how a person gives their consent.
type wayIn interface {
	Run(ctx context.Context, finish func(context.Context, codexauth.Grant) error) error
}

func (a *app) wayIn(p *place.Place, o loginOptions, d *driver) wayIn {
	if o.device {
		device := ui.NewDevice(&a.Terminal, p.Provider, p.Client(), o.timeout, o.qr, "or sign in with a browser: "+a.Command("login --no-browser"))
		device.Hear = d.hear
		return device
	}
	return a.browser(p, o, d)
}

func (a *app) browser(p *place.Place, o loginOptions, d *driver) *login.Browser {
	b := &login.Browser{
		Provider:     p.Provider,
		HTTPClient:   p.Client(),
		RedirectHost: o.redirectHost,
		Ports:        a.callbackPorts,
		Workspace:    o.workspace,
		Timeout:      o.timeout,
	}
	if !o.noBrowser && browser.Available() {
		b.Open = browser.Open
	}
	if a.CanAsk() {
		ui.KeepRunning()
		b.Paste = a.Stdin
	}
	b.Events = func(e login.Event) {
		d.hear(e)
		a.loginEvent(b, e, o.qr)
	}
	return b
}

func (a *app) loginEvent(b *login.Browser, e login.Event, qr bool) {
	switch e := e.(type) {
	case login.Ready:
		a.loginReady(b, e, qr)
	case login.Opened:
		if e.Err != nil {
			a.Say("Your browser could not be started (%s): open the address yourself.", cleantext.OneLine(e.Err.Error()))
		}
	case login.Rejected:
		a.Say("%s; still waiting", cleantext.OneLine(e.Err.Error()))
	}
}

// loginReady tells where to sign in. The address has a line of its own, so that
// it can be copied.
func (a *app) loginReady(b *login.Browser, e login.Ready, qr bool) {
	opening := "To sign in, open this address in a browser:"
	if b.Open != nil {
		opening = "Opening your browser. If it does not open, go to:"
	}
	a.Say("%s\n\n%s\n", opening, e.URL)
	if qr {
		a.DrawQR(e.URL)
	}
	if os.Getenv("SSH_CONNECTION") != "" {
		a.Say("Over SSH: first run this on the machine in front of you, and leave it open:\n\n  %s\n", sshForward(e.Port))
	}
	if b.Paste != nil {
		a.Say("If the browser can't come back to this machine, paste the address it ended at (%s?…) here.", e.RedirectURI)
	}
	a.Say("Waiting for you to sign in (Ctrl-C cancels)…")
}

// sshForward is the command that lets a browser over there come back here.
func sshForward(port int) string {
	user, host := os.Getenv("USER"), "this-machine"
	if name, err := os.Hostname(); err == nil && name != "" {
		host = name
	}
	if user != "" {
		host = user + "@" + host
	}
	return fmt.Sprintf("ssh -L %d:localhost:%d %s", port, port, cleantext.ShellWord(cleantext.Line(host)))
}

// signedIn tells the good news.
func (a *app) signedIn(ctx context.Context, m *codexauth.Manager, p *place.Place, account codexauth.Account) error {
	if a.Flags.JSON {
		s, err := m.Status(ctx)
		if err != nil {
			return err
		}
		return a.PrintJSON(signedInEvent{"signed_in", statusJSON(s, p, nil)})
	}
	a.Say("Signed in as %s, %s; stored in %s.", ui.AccountText(account), ui.AccountPhrase(account), cleantext.OneLine(p.Store.String()))
	return nil
}
