package codexauth_test

import (
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
)

// plant puts a field that nobody knows into every object of a record.
func plant(v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, field := range v {
			if name != "skew" { // a map, and no object
				plant(field)
			}
		}
		v["of_a_newer_version"] = map[string]any{"kept": []any{1.5, "x", nil}}
	case []any:
		for _, e := range v {
			plant(e)
		}
	}
}

// planted reports which parts of a record have kept that field.
func kept(t *testing.T, rec *codexauth.Record) map[string]bool {
	t.Helper()
	data, err := json.Marshal(rec)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(data, &top); err != nil {
		t.Fatal(err)
	}
	parts := map[string]bool{}
	var walk func(path string, v any)
	walk = func(path string, v any) {
		object, ok := v.(map[string]any)
		if !ok {
			return
		}
		field, there := object["of_a_newer_version"]
		text, _ := json.Marshal(field)
		parts[path] = there && string(text) == `{"kept":[1.5,"x",null]}`
		for name, sub := range object {
			if name != "of_a_newer_version" && name != "skew" {
				walk(path+"/"+name, sub)
			}
		}
	}
	walk("", top)
	return parts
}

// newerRecord is s's record as a newer version would have written it, with every
// part that a record can have.
func newerRecord(t *testing.T, r *codexauth.Record) *codexauth.Record {
	t.Helper()
	codexauth.Furnish(r)
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var top map[string]any
	if err := json.Unmarshal(data, &top); err != nil {
		t.Fatal(err)
	}
	plant(top)
	data, _ = json.Marshal(top)
	next := &codexauth.Record{}
	if err := json.Unmarshal(data, next); err != nil {
		t.Fatal(err)
	}
	return next
}

// What a newer version wrote survives what this one does to the record.
func TestUnknownFieldsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake()
		store := expired(t, s)
		edit(t, store, func(r *codexauth.Record) { *r = *newerRecord(t, r) })
		// Read and written again.
		edit(t, store, func(*codexauth.Record) {})
		parts := kept(t, stored(t, store))
		for _, part := range []string{"", "/credential", "/note", "/refusal", "/refusal/cut_off", "/backoff", "/doubt", "/endpoints", "/signed_out"} {
			if !parts[part] {
				t.Errorf("a field of the record%s is lost", part)
			}
		}
		// A new key, and a refresh, which replaces note, refusal and back-off.
		edit(t, store, func(r *codexauth.Record) {
			r.SignedOut, r.Refusal, r.Backoff, r.Note = nil, nil, nil, nil
			r.Credential.Expiry = time.Now().Add(-time.Hour)
		})
		if err := (codexauth.Place{Store: store}).Reseal(t.Context(), toySealer{1}); err != nil {
			t.Fatal(err)
		}
		m := newManager(t, s, store, func(c *codexauth.Config) { c.Sealer = toySealer{1} })
		if _, err := m.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := (codexauth.Place{Store: store, Sealer: toySealer{1}}).Reseal(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		parts = kept(t, stored(t, store))
		if !parts[""] || !parts["/credential"] || !parts["/endpoints"] {
			t.Errorf("after a refresh: %v", parts)
		}
		// A sign-out keeps nothing: the fields may be secrets.
		m = newManager(t, s, store)
		if err := m.SignOut(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		if data, _ := store.Load(t.Context(), codexauth.DefaultKey); strings.Contains(string(data), "newer_version") {
			t.Error("a sign-out left fields behind")
		}
	})
}
