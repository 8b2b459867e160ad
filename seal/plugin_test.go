package seal

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"codexauth"
)

func TestPlugin(t *testing.T) {
	asked := installPlugins(t, "plain")
	path := keyFile(t, pluginLine(t, "plain"))
	s := openFile(t, path, UI{})
	if asked() != "" {
		t.Error("the plugin ran before it was needed")
	}
	sealed := mustSeal(t, s, plain)
	if got := asked(); got != "wrap" {
		t.Errorf("the plugin was asked to %q", got)
	}
	t.Setenv("PATH", t.TempDir()) // the token was pulled out: nothing is lost
	mustOpen(t, s, mustSeal(t, s, plain), plain)
	mustOpen(t, s, sealed, plain)
}

func TestPluginOpensOnceAProcess(t *testing.T) {
	asked := installPlugins(t, "plain")
	path := keyFile(t, pluginLine(t, "plain"))
	sealed := mustSeal(t, openFile(t, path, UI{}), plain)
	asked()
	s := openFile(t, path, UI{})
	for range 3 {
		mustOpen(t, s, sealed, plain)
	}
	if got := asked(); got != "unwrap" {
		t.Errorf("the plugin was asked to %q", got)
	}
	// What is found in a record might be from somebody who only knows the
	// plugin's public key: nothing is sealed with it.
	if bytes.Equal(wrappedIn(t, sealed), wrappedIn(t, mustSeal(t, s, plain))) {
		t.Error("a plugin's Sealer adopted an identity that it found")
	}
	mustOpen(t, handover(t, s), sealed, plain)
	if got := asked(); got != "wrap" {
		t.Errorf("the plugin was asked to %q", got)
	}
	_, err := openFile(t, keyFile(t, pluginLine(t, "plain")), UI{}).Open(sealed)
	wantErr(t, err, codexauth.ErrWrongKey, "key.txt")
}

func TestPluginBesideANativeIdentity(t *testing.T) {
	asked := installPlugins(t, "plain")
	native := classicLine(t)
	sealed := mustSeal(t, openFile(t, keyFile(t, pluginLine(t, "plain"), native), UI{}), plain)
	mustOpen(t, openFile(t, keyFile(t, native), UI{}), sealed, plain)
	if got := asked(); got != "wrap" {
		t.Errorf("the plugin was asked to %q", got)
	}
	_, err := openFile(t, keyFile(t, pluginLine(t, "plain"), hybridLine(t)), UI{}).Seal(nil)
	wantErr(t, err, ErrIdentity, "post-quantum")
}

// A record that the age program encrypted for the plugin itself.
func TestPluginOpensARecordOfTheAgeProgram(t *testing.T) {
	installPlugins(t, "plain")
	line := pluginLine(t, "plain")
	id, err := plugin.NewIdentity(line, &plugin.ClientUI{})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := new(Sealer).encrypt([]byte(plain), []age.Recipient{id.Recipient()})
	if err != nil {
		t.Fatal(err)
	}
	mustOpen(t, openFile(t, keyFile(t, line), UI{}), sealed, plain)
}

func TestPluginAsksForAPIN(t *testing.T) {
	installPlugins(t, "pin")
	path := keyFile(t, pluginLine(t, "pin"))
	sealed := mustSeal(t, openFile(t, path, UI{}), plain)

	_, err := openFile(t, path, UI{}).Open(sealed)
	wantErr(t, err, ErrNeedsTerminal, "age-plugin-pin", "the PIN")
	wantErr(t, err, ErrIdentity)

	pin, prompts := "0000", 0
	ui := UI{Plugin: &plugin.ClientUI{RequestValue: func(name, prompt string, secret bool) (string, error) {
		if prompts++; name != "pin" || prompt != "the PIN" || !secret {
			t.Errorf("plugin %q asks %q, secret %v", name, prompt, secret)
		}
		return pin, nil
	}}}
	s := openFile(t, path, ui)
	_, err = s.Open(sealed)
	wantErr(t, err, ErrIdentity, "wrong PIN")
	if errors.Is(err, codexauth.ErrWrongKey) || errors.Is(err, codexauth.ErrDamaged) {
		t.Errorf("a wrong PIN is told as %v", err)
	}
	pin = pluginPIN
	mustOpen(t, s, sealed, plain)
	mustOpen(t, s, sealed, plain)
	if prompts != 2 {
		t.Errorf("asked %d times", prompts)
	}
}

func TestPluginShowsAndConfirms(t *testing.T) {
	installPlugins(t, "chatty")
	path := keyFile(t, pluginLine(t, "chatty"))
	sealed := mustSeal(t, openFile(t, path, UI{}), plain)
	_, err := openFile(t, path, UI{}).Open(sealed)
	wantErr(t, err, ErrNeedsTerminal, "really?")

	shown, yes := "", false
	ui := UI{Plugin: &plugin.ClientUI{
		DisplayMessage: func(_, message string) error { shown = message; return nil },
		Confirm: func(_, prompt, yesText, noText string) (bool, error) {
			if prompt != "really?" || yesText != "go on" || noText != "stop" {
				t.Errorf("asked %q, %q or %q", prompt, yesText, noText)
			}
			return yes, nil
		},
	}}
	s := openFile(t, path, ui)
	_, err = s.Open(sealed)
	wantErr(t, err, ErrIdentity, "not confirmed")
	if yes = true; shown != "touch the token" {
		t.Errorf("shown %q", shown)
	}
	mustOpen(t, s, sealed, plain)
}

func TestPluginThatFails(t *testing.T) {
	asked := installPlugins(t, "plain", "broken", "silent")
	sealed := mustSeal(t, openFile(t, keyFile(t, pluginLine(t, "plain")), UI{}), plain)
	asked()
	for name, says := range map[string]string{
		"missing": "age-plugin-missing, which is not in PATH",
		"broken":  "the token[31m is locked; it answered [redacted]",
		"silent":  "age-plugin-silent",
	} {
		t.Run(name, func(t *testing.T) {
			line := pluginLine(t, name)
			s := openFile(t, keyFile(t, line), UI{})
			_, err := s.Seal([]byte(plain))
			wantErr(t, err, ErrIdentity, says)
			wantNoSecret(t, err, line[20:])
			_, err = s.Open(sealed)
			wantErr(t, err, ErrIdentity, says)
			wantNoSecret(t, err, line[20:], strings.Repeat("c2VjcmV0", 8))
			if errors.Is(err, codexauth.ErrWrongKey) || errors.Is(err, codexauth.ErrDamaged) {
				t.Errorf("a broken plugin is told as %v", err)
			}
		})
	}
}
