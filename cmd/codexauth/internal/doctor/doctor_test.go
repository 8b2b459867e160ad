package doctor

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"codexauth"
	"codexauth/internal/codexcli"
	"codexauth/internal/config"
	"codexauth/internal/place"
	"codexauth/store/memory"
)

// A store of any kind is examined through its contract; what hangs is left behind.
func TestDoctorOfOtherStores(t *testing.T) {
	t.Parallel()
	store := memory.New()
	d := doctorOf(t, store)
	f := d.checkClaim(t.Context())
	if f.state != stateOK {
		t.Errorf("a free claim: %+v", f)
	}
	c, err := store.Claim(t.Context(), "default")
	if err != nil {
		t.Fatal(err)
	}
	if f := d.checkClaim(t.Context()); f.state != stateWarning {
		t.Errorf("a held claim: %+v", f)
	}
	c.Release()
	for _, check := range []func(context.Context) finding{d.checkPrivate, d.checkWritable, d.checkFileSystem} {
		if f := check(t.Context()); f.state != stateSkipped {
			t.Errorf("of a store without files: %+v", f)
		}
	}
	d.Place.Health = func(context.Context) error { return errors.New("locked") }
	checks := d.storeChecks()
	if last := checks[len(checks)-1]; last.name != "memory" || last.run(t.Context()).detail != "locked" {
		t.Errorf("the last check of the store is %q", last.name)
	}
}

type hungStore struct{ place.NamedStore }

func (hungStore) List(context.Context) ([]string, error) { select {} }

func TestDoctorIsBounded(t *testing.T) {
	t.Parallel()
	d := doctorOf(t, hungStore{memory.New()})
	began := time.Now()
	checks := d.storeChecks()
	findings := examine(t.Context(), 50*time.Millisecond, checks)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	for i, c := range checks {
		hangs := c.name == "store" || c.name == "profiles"
		if hung := strings.Contains(findings[i].detail, "no answer within"); hung != hangs {
			t.Errorf("%s: %+v", c.name, findings[i])
		}
	}
}

// doctorOf examines a login in any store, without a server.
func doctorOf(t *testing.T, store place.NamedStore) *Examination {
	t.Helper()
	p := &place.Place{Profile: "default", Store: store, Address: store.String(), Provider: codexauth.Provider{Issuer: "http://127.0.0.1:1"}}
	provider, err := p.Provider.Complete()
	if err != nil {
		t.Fatal(err)
	}
	return &Examination{Questions: questionsOf(p, provider)}
}

// questionsOf asks about a place whose errors need no telling apart.
func questionsOf(p *place.Place, provider codexauth.Provider) Questions {
	return Questions{
		Place: p, Provider: provider, Settings: &config.Settings{},
		Remedy:  func(context.Context, error) string { return "" },
		Command: func(args string) string { return "`codexauth " + args + "`" },
	}
}

func TestSafe(t *testing.T) {
	for text, want := range map[string]string{
		"dial http://u:s3cret@proxy:1/x": "dial http://proxy:1/x", "a\x1b[31m\nb": "a [31m b",
		`"postgres://me:p@ss@db/x"`: `"postgres://db/x"`, "mail a@b.example": "mail a@b.example",
	} {
		if got := safe(text); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

func wantFinding(t *testing.T, f finding, state string, texts ...string) {
	t.Helper()
	said := safe(f.detail) + " -> " + safe(f.remedy)
	if f.state != state {
		t.Errorf("it is %s, want %s; it says %q", f.state, state, said)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("it does not say %q: %q", text, said)
		}
	}
}

// Where the login is in a database the settings name it by its address.
func TestDoctorOfTheCodexConfigOfADatabase(t *testing.T) {
	const address = "postgres://me@host/db"
	t.Setenv("CODEXAUTH_HOME", "") // of whoever runs this
	d := doctorOf(t, memory.New())
	d.Place.Address = address
	for store, differs := range map[string]bool{address: false, "postgres://me@host/other": true, "file:/there": true, "": true} {
		f, bad := d.setupDiffers("config.toml", codexcli.Setup{Args: []string{"--store", store, "token"}})
		if bad != differs {
			t.Errorf("settings for %q: %+v", store, f)
		}
	}
}
