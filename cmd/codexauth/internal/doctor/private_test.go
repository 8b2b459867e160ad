package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/store/memory"
)

// unexaminedStore is one in files, of which the system does not tell who can read them.
type unexaminedStore struct{ place.NamedStore }

func (unexaminedStore) String() string { return "file:/somewhere" }

func (unexaminedStore) List(context.Context) ([]string, error) { return []string{"default"}, nil }

func (unexaminedStore) Load(context.Context, string) ([]byte, error) {
	return nil, fmt.Errorf("load: %w", private.ErrUnexamined)
}

// TestUnexaminedIsNotPrivate: what can't be examined is not called private.
func TestUnexaminedIsNotPrivate(t *testing.T) {
	t.Parallel()
	d := doctorOf(t, unexaminedStore{memory.New()})
	d.Place.LockDir = t.TempDir()
	if f := d.checkPrivate(t.Context()); f.state != stateSkipped || !strings.Contains(f.detail, "not examined") {
		t.Errorf("a record: %+v", f)
	}
	d.openErr = fmt.Errorf("open: %w", private.ErrUnexamined)
	if f := d.checkPrivate(t.Context()); f.state != stateSkipped || !strings.Contains(f.detail, "not examined") {
		t.Errorf("the directory: %+v", f)
	}
}
