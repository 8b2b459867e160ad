package openai

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"
)

const (
	modelsFresh   = 5 * time.Minute  // how long a list is used without a question
	modelsRetry   = 30 * time.Second // how long a failure is not asked again
	modelsAgain   = time.Second      // nor one that came at once, before the backend was asked: somebody signs in
	modelsWait    = 3 * time.Second  // how long a request waits for the first list
	modelsTimeout = 15 * time.Second // how long a question may last
	maxModelList  = 8 << 20
	clientVersion = "0.171.0"
)

// modelCache keeps the backend's list of models. One that is old is still used
// while it is asked for again, and one question is enough for all.
type modelCache struct {
	mu     sync.Mutex
	list   *Models
	etag   string
	err    error         // of the last question
	due    time.Time     // of the next
	asking chan struct{} // closed when the question is answered; nil if there is none
}

// list returns the list of models: at once if there is one. It waits a little for
// the first, and its error is that of the last question.
func (t *Transport) list(ctx context.Context) (*Models, error) {
	c := &t.models
	c.mu.Lock()
	if c.asking == nil && !time.Now().Before(c.due) {
		c.asking = make(chan struct{})
		go t.askForModels(c.etag, c.list != nil)
	}
	list, err, asking := c.list, c.err, c.asking
	c.mu.Unlock()
	if list != nil || asking == nil {
		return list, err
	}
	wait := time.NewTimer(modelsWait)
	defer wait.Stop()
	select {
	case <-asking:
	case <-wait.C:
		return nil, errModelsLate
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.list, c.err
}

var errModelsLate = &Error{Status: http.StatusGatewayTimeout, Type: "server_error", Code: "models_unavailable",
	Message: "The backend's list of models did not come in time; ask again."}

// askForModels asks once, for everybody.
func (t *Transport) askForModels(etag string, known bool) {
	ctx, cancel := context.WithTimeout(context.Background(), modelsTimeout)
	defer cancel()
	if !known {
		etag = ""
	}
	list, newTag, err := t.fetchModels(ctx, etag)
	c := &t.models
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err, c.due = err, time.Now().Add(modelsRetry)
	if refusal := (*Error)(nil); ctx.Err() == nil && !errors.As(err, &refusal) {
		c.due = time.Now().Add(modelsAgain)
	}
	if err == nil {
		c.due = time.Now().Add(modelsFresh)
		if list != nil {
			c.list, c.etag = list, newTag
		}
	}
	close(c.asking)
	c.asking = nil
}

// fetchModels returns a nil list if it is still the one with that tag.
func (t *Transport) fetchModels(ctx context.Context, etag string) (*Models, string, error) {
	version := t.ClientVersion
	if version == "" {
		version = clientVersion
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, t.BackendURL+"/models?client_version="+url.QueryEscape(version), nil)
	if err != nil {
		return nil, "", err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "codexauth")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	resp, err := t.Base.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotModified && etag != "" {
		return nil, etag, nil
	}
	body, err := readAll(resp.Body, resp.ContentLength, maxModelList)
	if err != nil {
		return nil, "", err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, "", BackendError(refusedStatus(resp.StatusCode), resp.Header, body, nil)
	}
	list, err := ParseModels(body)
	return list, resp.Header.Get("Etag"), err
}

// Lists reports whether a model is in the backend's list, as far as that is known:
// what a client calls a model may be anything.
func (t *Transport) Lists(model string) bool {
	t.models.mu.Lock()
	defer t.models.mu.Unlock()
	return t.models.list.get(model) != nil
}

// answerModels answers with the list, or with one of it.
func (t *Transport) answerModels(client *http.Request, id string) (*http.Response, error) {
	list, err := t.list(client.Context())
	if list == nil {
		if gone := client.Context().Err(); gone != nil {
			return nil, gone
		}
		return t.noModels(client, err)
	}
	body := list.List()
	if id != "" {
		if body, err = list.One(id); err != nil {
			return t.noModels(client, err)
		}
	}
	t.told(client, Result{Status: http.StatusOK, Ended: Completed})
	return jsonAnswer(client, http.StatusOK, body), nil
}

// noModels says why there is no list, or no such model. An error on the way to the backend is the
// caller's, as it is for every other request.
func (t *Transport) noModels(client *http.Request, err error) (*http.Response, error) {
	var refusal *Error
	if !errors.As(err, &refusal) {
		t.told(client, Result{Ended: Interrupted})
		return nil, err
	}
	return t.refuse(client, nil, refusal), nil
}
