// Package remember writes into the config file what lets every other shell and program
// find a login where a command puts it, if the person wants that.
package remember

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// An Offer is to write into the config file what lets every other shell and
// program find a login where a command puts it, or open it as the command left it.
// What can fail about the file is found out before the command does anything.
type Offer struct{ Yes, No bool }

// Flags defines the flags that answer for somebody who can't be asked.
func Flags(cmd *cobra.Command) *Offer {
	o := &Offer{}
	cmd.Flags().BoolVar(&o.Yes, "remember", false, "write it into the config file, for every other shell, without asking")
	cmd.Flags().BoolVar(&o.No, "no-remember", false, "leave the config file alone, and don't ask")
	return o
}

// Check refuses both answers at once.
func (o *Offer) Check() error {
	if o.Yes && o.No {
		return hint.Usage("--remember and --no-remember exclude each other", "leave one of them out")
	}
	return nil
}

// A Wish is a setting that is to hold in every shell.
type Wish struct{ Name, Value string }

// A Memo is what is to be written once the login is where it goes.
type Memo struct {
	a       *run.Run
	profile string // whose own settings they are; "" for everybody's
	asked   []Wish
	wishes  []Wish // those of them that the file does not fulfil yet
	write   bool
	silent  bool // the person wants none of it
}

// Memo decides, before a command does its work, what is written afterwards about the
// login of p, and asks where somebody can be asked. own: the other profiles keep what
// they have.
func (o *Offer) Memo(ctx context.Context, a *run.Run, profile string, own bool, wishes ...Wish) (*Memo, error) {
	m := &Memo{a: a, asked: wishes, silent: o.No}
	fresh := InAnotherShell(a.Said.File, profile)
	inUse := cmp.Or(InAnotherShell(a.Said.File, "").Get(config.Profile).Value, config.DefaultProfile)
	for _, w := range wishes {
		said := fresh.Get(w.Name)
		if w.Name == config.Profile {
			said.Value = inUse
		}
		if w.Value != usual(said) {
			m.wishes = append(m.wishes, w)
			own = own || said.Own
		}
	}
	if own || profile != inUse {
		m.profile = profile
	}
	if a.Said.File.Path == "" && !o.Yes {
		m.silent = true // somebody said that there is to be no file
	}
	if len(m.wishes) == 0 || m.silent {
		return m, nil
	}
	if !o.Yes && (a.Flags.JSON || !a.CanAsk()) {
		return m, nil
	}
	for _, w := range m.wishes {
		if err := w.check(); err != nil && o.Yes {
			return nil, err
		} else if err != nil { // no file can hold it
			a.Say("This can't be remembered for other shells: %s.", cleantext.OneLine(err.Error()))
			m.silent = true
			return m, nil
		}
	}
	if err := config.Try(ctx, m.changes()...); err != nil {
		return nil, hint.With(fmt.Errorf("nothing was done: %w", err), leaveAlone(err))
	}
	if m.write = o.Yes; m.write {
		return m, nil
	}
	var err error
	m.write, err = a.Ask(ctx, fmt.Sprintf("Remember %s for every shell (in %s)?", m.text(), cleantext.OneLine(a.Said.File.Path)), true)
	return m, err
}

// leaveAlone is what to do about a config file that can't be written.
func leaveAlone(err error) string {
	const without = "--no-remember leaves the file alone"
	var usage *hint.UsageError
	var hinted *hint.Error
	switch {
	case errors.As(err, &hinted) && hinted.Hint != "":
		return hinted.Hint + "; " + without
	case errors.As(err, &usage) && usage.Hint != "":
		return usage.Hint + "; " + without
	}
	return without
}

// InAnotherShell is what holds for a profile where no flag and no variable says
// anything; for "" it is the profile that is in use there.
func InAnotherShell(f *config.File, profile string) *config.Settings {
	named := func(name string) string {
		if name == config.Profile {
			return profile
		}
		return ""
	}
	return config.Resolve(named, func(string) string { return "" }, f)
}

// usual is a setting's value as a wish would name it.
func usual(s config.Setting) string {
	if s.Name == config.Store {
		return cmp.Or(s.Value, "file:")
	}
	return s.Value
}

// check says why no file may hold what is wished.
func (w Wish) check() error {
	if w.Value == "" {
		return nil
	}
	return config.Check(w.Name, w.Value)
}

// change is what fulfils w in the file.
func (m *Memo) change(w Wish) config.Change {
	if w.Name == config.Profile {
		return config.Set("", w.Name, w.Value)
	}
	f := m.a.Said.File
	_, own := f.Value(m.profile, w.Name)
	everybodys, _ := f.Value("", w.Name)
	switch {
	case w.Value != "":
		return config.Set(m.profile, w.Name, w.Value)
	case m.profile != "" && everybodys != "": // a key that is not for this profile
		return config.Set(m.profile, w.Name, config.Plain)
	case m.profile != "" && own:
		return config.Unset(m.profile, w.Name)
	}
	return config.Unset("", w.Name)
}

func (m *Memo) changes() (all []config.Change) {
	for _, w := range m.wishes {
		all = append(all, m.change(w))
	}
	return all
}

// text names what is remembered.
func (m *Memo) text() string {
	var parts []string
	for _, w := range m.wishes {
		switch {
		case w.Name == config.IdentityFile && w.Value == "":
			parts = append(parts, "to use no key")
		case w.Name == config.IdentityFile && w.Value == "prompt":
			parts = append(parts, "to ask for the passphrase")
		case w.Name == config.IdentityFile:
			parts = append(parts, "the key "+cleantext.OneLine(w.Value))
		case w.Name == config.Profile:
			parts = append(parts, "the profile "+cleantext.OneLine(w.Value))
		default:
			parts = append(parts, "the "+w.Name+" "+cleantext.OneLine(config.Shown(w.Name, w.Value)))
		}
	}
	text := strings.Join(parts, " and ")
	if m.profile != "" && m.wishes[len(m.wishes)-1].Name != config.Profile {
		text += ", for the profile " + cleantext.OneLine(m.profile)
	}
	return text
}

// command is what writes it later.
func (m *Memo) command() string {
	flags := ""
	if m.profile != "" {
		flags = "--profile " + cleantext.ShellWord(m.profile) + " "
	}
	var parts []string
	for _, w := range m.wishes {
		switch {
		case w.Name == config.Profile:
			parts = append(parts, "codexauth profile use "+cleantext.ShellWord(w.Value))
		case w.Value != "":
			parts = append(parts, fmt.Sprintf("codexauth %sconfig set %s %s", flags, w.Name, cleantext.ShellWord(w.Value)))
		case m.profile != "":
			parts = append(parts, fmt.Sprintf("codexauth %sconfig set %s %s", flags, w.Name, config.Plain))
		default:
			parts = append(parts, "codexauth config unset "+w.Name)
		}
	}
	return "`" + strings.Join(parts, " && ") + "`"
}

// Fulfilled reports whether the file says already what is wished.
func (m *Memo) Fulfilled() bool { return len(m.wishes) == 0 }

// Writes reports whether Keep will write.
func (m *Memo) Writes() bool { return m.write }

// Keep writes what was decided, once the login is where it goes, and says what that
// means for other shells.
func (m *Memo) Keep(ctx context.Context) error {
	a := m.a
	switch {
	case len(m.wishes) == 0 || m.silent:
	case !m.write && a.Flags.JSON: // a program knows what it asked for
	case !m.write:
		for _, w := range m.wishes {
			if w.check() != nil {
				return nil // no file may hold it
			}
		}
		a.Say("Other shells don't use it: %s writes it into the config file, and so does --remember.", m.command())
	default:
		defer m.tellPassword()
		path, err := config.Apply(context.WithoutCancel(ctx), m.changes()...)
		if err != nil {
			return hint.With(fmt.Errorf("that is done, but it could not be remembered for other shells: %w", err), "fix that, then run "+m.command())
		}
		a.Say("Remembered %s: every new shell, job and program of yours uses it (%s).", m.text(), cleantext.OneLine(path))
	}
	m.warnOfVariables()
	return nil
}

// tellPassword says that the file does not hold what this shell alone has.
func (m *Memo) tellPassword() {
	for _, w := range m.wishes {
		if variable := place.PasswordVariable(w.Value); w.Name == config.Store && variable != "" {
			m.a.Say("warning: the password is in %s of this shell alone; for other shells put it into a file of yours alone (mode 0600) and add passfile=PATH to the address", variable)
		}
	}
}

// warnOfVariables says which variables of this shell keep it from finding the login
// as others do.
func (m *Memo) warnOfVariables() {
	if !m.write && len(m.wishes) > 0 {
		return
	}
	for _, w := range m.asked {
		if here := os.Getenv(config.VariableOf(w.Name)); here != "" && !w.saidBy(here) {
			m.a.Say("warning: %s is set in this shell and overrides the file; `unset %[1]s` makes the file apply here, too", config.VariableOf(w.Name))
		}
	}
}

// saidBy reports whether a variable of this shell says the same.
func (w Wish) saidBy(here string) bool {
	if w.Name == config.IdentityFile {
		here = LastingKey(here)
	}
	if kind, dir, _ := strings.Cut(here, ":"); w.Name == config.Store && (kind == "file" || kind == "keyring") && dir != "" {
		if dir, err := filepath.Abs(dir); err == nil {
			here = kind + ":" + dir
		}
	}
	return here == w.Value
}

// LastingKey is a key as every shell can name it.
func LastingKey(identity string) string {
	if identity == "" || identity == "prompt" || strings.HasPrefix(identity, "fd:") {
		return identity
	}
	if path, err := filepath.Abs(identity); err == nil {
		return path
	}
	return identity
}

// HasCompany reports whether another profile has a login in p's store: then what is
// decided about one is not everybody's.
func HasCompany(ctx context.Context, p *place.Place) bool {
	keys, err := p.Profiles(ctx)
	if err != nil {
		return true
	}
	for _, key := range keys {
		if key == p.Profile {
			continue
		}
		if state, _ := p.Describe(ctx, key); state != string(codexauth.StateSignedOut) {
			return true
		}
	}
	return false
}

// WishesOfFlags are the store and the key that flags name, so that other shells find
// the login without them.
func WishesOfFlags(said *config.Settings, p *place.Place) (wishes []Wish) {
	store, key := said.Get(config.Store), said.Get(config.IdentityFile)
	if store.Source == config.FromFlag {
		wishes = append(wishes, Wish{config.Store, p.Lasting(store.Value)})
	}
	if key.Source == config.FromFlag || len(wishes) > 0 && !p.OwnKey && p.Broker == nil {
		wishes = append(wishes, Wish{config.IdentityFile, LastingKey(key.Value)})
	}
	return wishes
}
