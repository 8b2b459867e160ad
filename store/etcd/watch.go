package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/cleantext"
)

// awaitDeletion returns nil once the key was deleted at the revision from or
// later. Any error means that nobody watches any more, and the caller looks anew:
// a connection broke, a member lost its leader, or what happened is compacted.
func (g *gateway) awaitDeletion(ctx context.Context, key []byte, from number) error {
	n := g.preferred.Load()
	err := g.watch(ctx, int(n), key, from)
	if err == nil || ctx.Err() != nil {
		return err
	}
	g.preferred.CompareAndSwap(n, (n+1)%int32(len(g.base)))
	return fmt.Errorf("%s: %w", g.endpoints[n], err)
}

func (g *gateway) watch(ctx context.Context, n int, key []byte, from number) error {
	var request watchRequest
	request.Create.Key, request.Create.StartRevision, request.Create.Filters = key, from, []string{"NOPUT"}
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(endpointTimeout, cancel)
	defer silent.Stop()
	token, err := g.bearer(ctx, n, "")
	if err != nil {
		return err
	}
	resp, err := g.open(ctx, n, "watch", token, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	for messages := json.NewDecoder(resp.Body); ; {
		var m streamed[watchResponse]
		if err := messages.Decode(&m); err != nil {
			return err
		}
		silent.Stop()
		switch {
		case m.Error != nil:
			return newStatusError(resp.StatusCode, m.Error, "an error in a watch")
		case m.Result == nil:
			return errors.New("a watch that tells nothing")
		case m.Result.Canceled:
			return fmt.Errorf("the watch was cancelled: %s (compacted to %d)", cleantext.Message(m.Result.CancelReason), m.Result.CompactRevision)
		case len(m.Result.Events) > 0:
			return nil
		}
	}
}
