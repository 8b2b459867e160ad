package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"codexauth/internal/cleantext"
)

// AwaitEvent returns the last thing that happened to one of the keys, once
// something did. Any error means that nobody watches any more, and the caller
// looks again: a connection broke, a member lost its leader, or what happened is
// compacted.
func (c *Client) AwaitEvent(ctx context.Context, keys ...Watch) (*Event, error) {
	n := c.preferred.Load()
	what, err := c.watch(ctx, int(n), keys)
	if err == nil || ctx.Err() != nil {
		return what, err
	}
	c.preferred.CompareAndSwap(n, (n+1)%int32(len(c.base)))
	return nil, fmt.Errorf("%s: %w", c.endpoints[n], err)
}

func (c *Client) watch(ctx context.Context, n int, keys []Watch) (*Event, error) {
	var body bytes.Buffer
	for _, key := range keys { // one request after the other, in one stream
		if err := json.NewEncoder(&body).Encode(watchRequest{key}); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	silent := time.AfterFunc(EndpointTimeout, cancel)
	defer silent.Stop()
	token, err := c.bearer(ctx, n, "")
	if err != nil {
		return nil, err
	}
	resp, err := c.open(ctx, n, "watch", token, body.Bytes())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	silenced := len(keys) // each watch is confirmed
	for messages := json.NewDecoder(resp.Body); ; {
		var m streamed[watchResponse]
		if err := messages.Decode(&m); err != nil {
			return nil, err
		}
		if silenced--; silenced == 0 {
			silent.Stop()
		}
		switch {
		case m.Error != nil:
			return nil, newStatusError(resp.StatusCode, m.Error, "an error in a watch")
		case m.Result == nil:
			return nil, errors.New("a watch without events")
		case m.Result.Canceled:
			return nil, fmt.Errorf("the watch was cancelled: %s (compacted to %d)", cleantext.Message(m.Result.CancelReason), m.Result.CompactRevision)
		case len(m.Result.Events) > 0:
			return &m.Result.Events[len(m.Result.Events)-1], nil
		}
	}
}
