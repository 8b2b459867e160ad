package main

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
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// An offer is to write into the file of settings what lets every other shell and
// program find a login where a command puts it, or open it as the command left it.
// What can fail about the file is found out before the command does anything.
type offer struct{ yes, no bool }

// offerFlags defines the flags that answer for somebody who can't be asked.
func offerFlags(cmd *cobra.Command) *offer {
	o := &offer{}
	cmd.Flags().BoolVar(&o.yes, "remember", false, "write it into the file of settings, for every other shell, without asking")
	cmd.Flags().BoolVar(&o.no, "no-remember", false, "leave the file of settings alone, and don't ask")
	return o
}

func (o *offer) check() error {
	if o.yes && o.no {
		return hint.Usage("--remember and --no-remember exclude each other", "leave one of them out")
	}
	return nil
}

// A wish is a setting that is to hold in every shell.
type wish struct{ name, value string }

// A memo is what is to be written once the login is where it goes.
type memo struct {
	a       *app
	profile string // whose own settings they are; "" for everybody's
	asked   []wish
	wishes  []wish // those of them that the file does not fulfil yet
	write   bool
	silent  bool // the person wants none of it
}

// memo decides, before a command does its work, what is written afterwards about the
// login of p, and asks where somebody can be asked. own: the other profiles keep what
// they have.
func (a *app) memo(ctx context.Context, o *offer, profile string, own bool, wishes ...wish) (*memo, error) {
	m := &memo{a: a, asked: wishes, silent: o.no}
	fresh := inAnotherShell(a.said.File, profile)
	inUse := cmp.Or(inAnotherShell(a.said.File, "").Get(config.Profile).Value, config.DefaultProfile)
	for _, w := range wishes {
		said := fresh.Get(w.name)
		if w.name == config.Profile {
			said.Value = inUse
		}
		if w.value != usual(said) {
			m.wishes = append(m.wishes, w)
			own = own || said.Own
		}
	}
	if own || profile != inUse {
		m.profile = profile
	}
	if a.said.File.Path == "" && !o.yes {
		m.silent = true // somebody said that there is to be no file
	}
	if len(m.wishes) == 0 || m.silent {
		return m, nil
	}
	if !o.yes && (a.flags.json || !a.CanAsk()) {
		return m, nil
	}
	for _, w := range m.wishes {
		if err := w.check(); err != nil && o.yes {
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
	if m.write = o.yes; m.write {
		return m, nil
	}
	var err error
	m.write, err = a.Ask(ctx, fmt.Sprintf("Remember %s for every shell (in %s)?", m.text(), cleantext.OneLine(a.said.File.Path)), true)
	m.silent = !m.write
	return m, err
}

// leaveAlone is what to do about a file of settings that can't be written.
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

// inAnotherShell is what holds for a profile where no flag and no variable says
// anything; for "" it is the profile that is in use there.
func inAnotherShell(f *config.File, profile string) *config.Settings {
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
func (w wish) check() error {
	if w.value == "" {
		return nil
	}
	return config.Check(w.name, w.value)
}

// change is what fulfils w in the file.
func (m *memo) change(w wish) config.Change {
	if w.name == config.Profile {
		return config.Set("", w.name, w.value)
	}
	f := m.a.said.File
	_, own := f.Value(m.profile, w.name)
	everybodys, _ := f.Value("", w.name)
	switch {
	case w.value != "":
		return config.Set(m.profile, w.name, w.value)
	case m.profile != "" && everybodys != "": // a key that is not for this profile
		return config.Set(m.profile, w.name, config.Plain)
	case m.profile != "" && own:
		return config.Unset(m.profile, w.name)
	}
	return config.Unset("", w.name)
}

func (m *memo) changes() (all []config.Change) {
	for _, w := range m.wishes {
		all = append(all, m.change(w))
	}
	return all
}

// text names what is remembered.
func (m *memo) text() string {
	var parts []string
	for _, w := range m.wishes {
		switch {
		case w.name == config.IdentityFile && w.value == "":
			parts = append(parts, "to use no key")
		case w.name == config.IdentityFile && w.value == "prompt":
			parts = append(parts, "to ask for the passphrase")
		case w.name == config.IdentityFile:
			parts = append(parts, "the key "+cleantext.OneLine(w.value))
		case w.name == config.Profile:
			parts = append(parts, "the profile "+cleantext.OneLine(w.value))
		default:
			parts = append(parts, "the "+w.name+" "+cleantext.OneLine(config.Shown(w.name, w.value)))
		}
	}
	text := strings.Join(parts, " and ")
	if m.profile != "" && m.wishes[len(m.wishes)-1].name != config.Profile {
		text += ", for the profile " + cleantext.OneLine(m.profile)
	}
	return text
}

// command is what writes it later.
func (m *memo) command() string {
	flags := ""
	if m.profile != "" {
		flags = "--profile " + ui.ShellWord(m.profile) + " "
	}
	var parts []string
	for _, w := range m.wishes {
		switch {
		case w.name == config.Profile:
			parts = append(parts, "codexauth profile use "+ui.ShellWord(w.value))
		case w.value != "":
			parts = append(parts, fmt.Sprintf("codexauth %sconfig set %s %s", flags, w.name, ui.ShellWord(w.value)))
		case m.profile != "":
			parts = append(parts, fmt.Sprintf("codexauth %sconfig set %s %s", flags, w.name, config.Plain))
		default:
			parts = append(parts, "codexauth config unset "+w.name)
		}
	}
	return "`" + strings.Join(parts, " && ") + "`"
}

// keep writes what was decided, once the login is where it goes, and says what that
// means for other shells.
func (m *memo) keep(ctx context.Context) error {
	a := m.a
	switch {
	case len(m.wishes) == 0 || m.silent:
	case !m.write && a.flags.json: // a program knows what it asked for
	case !m.write:
		for _, w := range m.wishes {
			if w.check() != nil {
				return nil // no file may hold it
			}
		}
		a.Say("Other shells don't know of it: %s writes it into the file of settings, and so does --remember.", m.command())
	default:
		defer m.tellPassword()
		path, err := config.Apply(context.WithoutCancel(ctx), m.changes()...)
		if err != nil {
			return hint.With(fmt.Errorf("that is done, but it could not be remembered for other shells: %w", err), "mend that, then run "+m.command())
		}
		a.Say("Remembered %s: every new shell, job and program of yours goes by it (%s).", m.text(), cleantext.OneLine(path))
	}
	m.warnOfVariables()
	return nil
}

// tellPassword says that the file does not hold what this shell alone has.
func (m *memo) tellPassword() {
	for _, w := range m.wishes {
		if variable := place.PasswordVariable(w.value); w.name == config.Store && variable != "" {
			m.a.Say("warning: the password is in %s of this shell alone; for other shells put it into a file of yours alone (mode 0600) and add passfile=PATH to the address", variable)
		}
	}
}

// warnOfVariables says which variables of this shell keep it from finding the login
// as others do.
func (m *memo) warnOfVariables() {
	if !m.write && len(m.wishes) > 0 {
		return
	}
	for _, w := range m.asked {
		if here := os.Getenv(config.VariableOf(w.name)); here != "" && !w.saidBy(here) {
			m.a.Say("warning: %s is set in this shell and comes before the file; `unset %[1]s` lets the file hold here, too", config.VariableOf(w.name))
		}
	}
}

// saidBy reports whether a variable of this shell says the same.
func (w wish) saidBy(here string) bool {
	if w.name == config.IdentityFile {
		here = lastingKey(here)
	}
	if kind, dir, _ := strings.Cut(here, ":"); w.name == config.Store && (kind == "file" || kind == "keyring") && dir != "" {
		if dir, err := filepath.Abs(dir); err == nil {
			here = kind + ":" + dir
		}
	}
	return here == w.value
}

// lastingKey is a key as every shell can name it.
func lastingKey(identity string) string {
	if identity == "" || identity == "prompt" || strings.HasPrefix(identity, "fd:") {
		return identity
	}
	if path, err := filepath.Abs(identity); err == nil {
		return path
	}
	return identity
}

// hasCompany reports whether another profile has a login in p's store: then what is
// decided about one is not everybody's.
func hasCompany(ctx context.Context, p *place.Place) bool {
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
