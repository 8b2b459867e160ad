package main

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"codexauth/sandbox"
)

// At a broker's there is nothing to look at here but the way to it.
func TestDoctorOfABroker(t *testing.T) {
	t.Parallel()
	b := newPatient(t)
	b.setenv("CODEXAUTH_STORE=broker+unix:" + filepath.Join(t.TempDir(), "none.sock"))
	rep := b.doctor(t)
	rep.want(t, "store", isProblem, "codexauth serve")
	rep.want(t, "login", isSkipped, "see store")
	for _, name := range []string{"store_private", "store_writable", "claim", "sealing", "profiles", "rescue_files", "rescue_places", "refresh"} {
		rep.want(t, name, isSkipped)
	}
}

// Looking at a keyring store makes no key in the keyring, and asks for none.
func TestDoctorMakesNoKey(t *testing.T) {
	t.Parallel()
	b := newBox(t, sandbox.Config{})
	before := treeOf(t, filepath.Dir(b.home))
	r := b.run(t, "doctor", "--json", "--store", "keyring:"+filepath.Join(b.home, "keyring"))
	var rep report
	if err := json.Unmarshal([]byte(r.stdout), &rep); err != nil {
		t.Fatalf("%v: %q", err, r.stderr)
	}
	rep.want(t, "sealing", isSkipped, "when somebody signs in")
	rep.want(t, "claim", isOK)
	if rep.check(t, "keyring").State == isSkipped || treeOf(t, filepath.Dir(b.home)) != before {
		t.Error("the keyring was not looked at, or something was made")
	}
}
