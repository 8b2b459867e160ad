package wait

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestGivenUp(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, stop := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer stop()
	if err := GivenUp(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for what, ctx := range map[string]context.Context{"nothing happened": t.Context(), "its deadline has passed": late} {
		if err := GivenUp(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
