package seal

import (
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"codexauth/internal/cleantext"
)

// UI is how a Sealer asks a person. The zero UI asks nobody: where a person is
// needed the error wraps [ErrNeedsTerminal]. Its functions are called by one
// goroutine at a time (but for WaitTimer of Plugin), and may return whenever they
// like: a Sealer knows no time limit.
type UI struct {
	// Passphrase asks for the passphrase of what; confirm says that it is a new
	// one, to be typed twice, since a slip would lock the login away.
	Passphrase func(what string, confirm bool) ([]byte, error)
	// Plugin shows what plugins have to say (a PIN, a touch, a yes or no). What
	// it is given to show is one line without control characters.
	Plugin *plugin.ClientUI
}

func (u UI) passphrase(what string, confirm bool) ([]byte, error) {
	if u.Passphrase == nil {
		return nil, fmt.Errorf("the passphrase of %s is needed: %w", what, ErrNeedsTerminal)
	}
	return u.Passphrase(what, confirm)
}

// pluginIdentity is a plugin's identity whose errors tell what to do.
type pluginIdentity struct {
	*plugin.Identity
	unmet string // what the plugin wanted of a person who is not there
}

func newPluginIdentity(line string, ui UI) (*pluginIdentity, error) {
	p := &pluginIdentity{}
	id, err := plugin.NewIdentity(line, p.client(ui))
	p.Identity = id
	return p, err
}

// client adapts the UI for a plugin. Package plugin wants one that is not nil,
// and tells the plugin, but not us, where a function is missing.
func (p *pluginIdentity) client(ui UI) *plugin.ClientUI {
	have := plugin.ClientUI{}
	if ui.Plugin != nil {
		have = *ui.Plugin
	}
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			message = cleantext.Line(message)
			if have.DisplayMessage == nil {
				return p.miss("to say: " + message)
			}
			return have.DisplayMessage(name, message)
		},
		RequestValue: func(name, prompt string, secret bool) (string, error) {
			prompt = cleantext.Line(prompt)
			if have.RequestValue == nil {
				return "", p.miss("to ask: " + prompt)
			}
			return have.RequestValue(name, prompt, secret)
		},
		Confirm: func(name, prompt, yes, no string) (bool, error) {
			prompt = cleantext.Line(prompt)
			if have.Confirm == nil {
				return false, p.miss("to ask: " + prompt)
			}
			return have.Confirm(name, prompt, cleantext.Line(yes), cleantext.Line(no))
		},
		WaitTimer: have.WaitTimer,
	}
}

func (p *pluginIdentity) miss(what string) error {
	p.unmet = what
	return ErrNeedsTerminal
}

// Unwrap implements age.Identity.
func (p *pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	p.unmet = ""
	fileKey, err := p.Identity.Unwrap(stanzas)
	if err == nil || errors.Is(err, age.ErrIncorrectIdentity) && p.unmet == "" {
		return fileKey, err
	}
	return nil, p.explain(err)
}

// pluginRecipient seals for a plugin's identity.
type pluginRecipient struct {
	*plugin.Recipient
	id *pluginIdentity
}

func (p *pluginIdentity) recipient() age.Recipient { return &pluginRecipient{p.Recipient(), p} }

// WrapWithLabels implements age.RecipientWithLabels.
func (r *pluginRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	r.id.unmet = ""
	stanzas, labels, err := r.Recipient.WrapWithLabels(fileKey)
	if err != nil {
		return nil, nil, r.id.explain(err)
	}
	return stanzas, labels, nil
}

// explain says what is wrong with the plugin. Its own words may hold anything.
func (p *pluginIdentity) explain(err error) error {
	program := "age-plugin-" + p.Name()
	var missing *plugin.NotFoundError
	switch {
	case errors.As(err, &missing):
		err = fmt.Errorf("%w: it needs the program %s, which is not in PATH; install it", ErrIdentity, program)
	case p.unmet != "":
		err = fmt.Errorf("%w: %s wants %s: %w", ErrIdentity, program, p.unmet, ErrNeedsTerminal)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("%w: %s ended without an answer", ErrIdentity, program)
	default:
		err = fmt.Errorf("%w: %s failed: %s", ErrIdentity, program, cleantext.Message(err.Error()))
	}
	return &keyError{err}
}
