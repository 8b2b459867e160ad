package codexcli

import (
	"strings"
	"testing"
	"time"
)

// What SetUp writes, FindSetup finds.
func TestFindSetup(t *testing.T) {
	p := Provider{
		BaseURL: "https://backend.example", Command: "/opt/bin/codexauth", Args: []string{"--profile", "work", "token", "--min-valid"},
		Timeout: time.Second, Refresh: time.Minute, Headers: map[string]string{"ChatGPT-Account-ID": "acc"},
	}
	text, err := p.SetUp("model = \"x\"\nmodel_provider = \"mine\"\n")
	if err != nil {
		t.Fatal(err)
	}
	s, found, err := FindSetup(text)
	if err != nil || !found || !s.Active || s.Command != p.Command || s.AccountID != "acc" {
		t.Errorf("found %v, %+v, %v", found, s, err)
	}
	if s.Flag("--profile") != "work" || s.Flag("--store") != "" || s.Flag("--min-valid") != "" {
		t.Errorf("flags of %q", s.Args)
	}
	s, found, err = FindSetup(strings.Replace(text, topLine, `model_provider = "mine"`, 1))
	if err != nil || !found || s.Active {
		t.Errorf("not in use: %v, %+v, %v", found, s, err)
	}
	for _, other := range []string{"", "model = \"x\"", "model_providers = 1", "[model_providers]\ncodexauth = \"x\""} {
		if s, found, err := FindSetup(other); found || err != nil {
			t.Errorf("%q: %+v, %v", other, s, err)
		}
	}
	if _, found, err := FindSetup("key = s3cret"); found || err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("no TOML: %v, %v", found, err)
	}
	odd := "[model_providers.codexauth]\nauth = 1\nhttp_headers = []"
	if s, found, err := FindSetup(odd); !found || err != nil || s.Command != "" || s.Args != nil {
		t.Errorf("odd: %v, %+v, %v", found, s, err)
	}
}

// A profile of the CLI's own that is in use comes before the model provider of the
// whole file.
func TestProfileComesFirst(t *testing.T) {
	p := Provider{BaseURL: "https://backend.example", Command: "/opt/bin/codexauth", Args: []string{"token"}}
	for before, want := range map[string]string{
		"profile = \"p\"\n[profiles.p]\nmodel_provider = \"mine\"\n":      "p",
		"profile = \"p\"\n[profiles.p]\nmodel_provider = \"codexauth\"\n": "",
		"profile = \"p\"\n[profiles.p]\nmodel = \"m\"\n":                  "",
		"[profiles.p]\nmodel_provider = \"mine\"\n":                       "",
	} {
		text, err := p.SetUp(before)
		if err != nil {
			t.Fatal(err)
		}
		s, found, err := FindSetup(text)
		if err != nil || !found || s.Profile != want || s.Active != (want == "") {
			t.Errorf("%q: %+v, %v, %v; want the profile %q first", before, s, found, err, want)
		}
	}
}
