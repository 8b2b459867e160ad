package serving

import (
	"context"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"codexauth"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/place"
	"codexauth/store/memory"
)

// hangingStore answers no question.
type hangingStore struct{ codexauth.Store }

func (hangingStore) Load(ctx context.Context, _ string) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// A store that hangs holds the start of a server up once, not once for each login.
func TestStartWithAStoreThatHangs(t *testing.T) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	synctest.Test(t, func(t *testing.T) {
		var logins []servedLogin
		for _, name := range []string{"a", "b", "c", "d"} {
			m, err := codexauth.NewManager(codexauth.Config{Store: hangingStore{memory.New()}, Key: name, Lazy: true, RescueDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			logins = append(logins, servedLogin{&place.Place{Profile: name}, m})
		}
		a := &app{&run.Run{Terminal: ui.Terminal{Stdin: null, Stdout: null, Stderr: null}}}
		began := time.Now()
		if err := a.firstLooks(t.Context(), logins); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > firstLook {
			t.Errorf("it took %v", took)
		}
	})
}

func TestOnce(t *testing.T) {
	if got := once([]string{"me", "ci", "me", "me", "x"}); !slices.Equal(got, []string{"me", "ci", "x"}) {
		t.Errorf("%q", got)
	}
}
