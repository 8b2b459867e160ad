package settingup

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

// The Codex CLI's settings name the store, and hold no password.
func TestSetupNamesTheStore(t *testing.T) {
	for _, c := range []struct {
		address, variable string
		refused           bool
	}{
		{address: "file:/x"},
		{address: "keyring:/x"},
		{address: "etcds://me@host:2379/x?passfile=/pw"},
		{address: "postgres://me@host/db"},
		{address: "postgres://me@host/db", variable: "CODEXAUTH_ETCD_PASSWORD"},
		{address: "postgres://me@host/db", variable: "PGPASSWORD", refused: true},
		{address: "etcds://me@host:2379/x", variable: "CODEXAUTH_ETCD_PASSWORD", refused: true},
		{address: "postgres://me:s3cret@host/db", refused: true},
	} {
		t.Run(c.address+" "+c.variable, func(t *testing.T) {
			for _, name := range []string{"PGPASSWORD", "CODEXAUTH_ETCD_PASSWORD"} {
				t.Setenv(name, "")
			}
			if c.variable != "" {
				t.Setenv(c.variable, "s3cret")
			}
			a := &app{&run.Run{Flags: run.Flags{Store: c.address}}}
			a.Said = config.Resolve(a.Flags.Value, func(string) string { return "" }, &config.File{})
			args, err := a.tokenArgs(&place.Place{Address: c.address, Profile: codexauth.DefaultKey})
			var usage *hint.UsageError
			switch {
			case strings.Contains(fmt.Sprint(args, err), "s3cret"):
				t.Errorf("the password stands in %q or in %v", args, err)
			case c.refused != errors.As(err, &usage):
				t.Errorf("args %q, error %v", args, err)
			case !c.refused && !slices.Equal(args[:4], []string{"--profile", "default", "--store", c.address}):
				t.Errorf("args %q", args)
			}
		})
	}
}
