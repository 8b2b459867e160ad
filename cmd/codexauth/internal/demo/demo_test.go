package demo

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/sandbox"
)

// The demo fails where the server did not count what it should have, or where a
// step fails, and goes no further.
func TestDemoNotices(t *testing.T) {
	nothing := func(context.Context) (string, error) { return "", nil }
	for name, step := range map[string]demoStep{
		"a wrong count": {"Nothing", nothing, tally{requests: 1}},
		"a failed step": {"Nothing", func(context.Context) (string, error) { return "", errors.New("no") }, tally{}},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			d := &demo{term: &ui.Terminal{Stdout: out}, server: sandbox.New(t, sandbox.Config{})}
			good := demoStep{"Good", nothing, tally{}}
			if err := d.tell(t.Context(), []demoStep{good, step, good}); err == nil {
				t.Error("no error")
			}
			text, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			if got := string(text); !strings.Contains(got, "✓ 1  Good") || !strings.Contains(got, "✗ 2  Nothing") || strings.Contains(got, "3  Good") {
				t.Errorf("it printed:\n%s", got)
			}
		})
	}
}
