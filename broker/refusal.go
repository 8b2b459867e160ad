package broker

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/reason"
)

// linger is how long a connection is read on after a refusal.
const linger = time.Second

// refusal is an answer of the broker's own that is not a success.
type refusal struct {
	status  int
	code    string // for programs; never changes
	message string // for people: what happened and what to do
	retry   time.Duration
	final   bool // the same request will fail again
}

func (f *refusal) Error() string { return f.message }

func refuse(status int, code, message string) *refusal {
	return &refusal{status: status, code: code, message: message, final: true}
}

// write sends the refusal in the shape that OpenAI's SDKs read. The rest of a
// body is not waited for but for a moment, so that a client that is still sending
// reads the answer before the connection ends.
func (f *refusal) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	if r.ContentLength != 0 {
		h.Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(linger))
	}
	if c, ok := w.(*call); ok {
		c.server.refused.add(f.code)
		c.denied = f.code
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="codexauth"`)
	}
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retry.Seconds()))))
	}
	if f.final {
		h.Set("X-Should-Retry", "false") // OpenAI's SDKs would repeat a 5xx
	}
	kind := "invalid_request_error"
	switch {
	case f.status == http.StatusUnauthorized:
		kind = "authentication_error"
	case f.status == http.StatusForbidden:
		kind = "permission_error"
	case f.status == http.StatusTooManyRequests:
		kind = "requests" // as OpenAI's own
	case f.status >= 500:
		kind = "server_error"
	}
	writeJSON(w, f.status, map[string]any{"error": map[string]any{
		"message": "codexauth: " + f.message, "type": kind, "param": nil, "code": f.code,
	}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	jsonHeaders(w.Header())
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a client that has gone needs no answer
}

func jsonHeaders(h http.Header) {
	h["Content-Type"] = []string{"application/json"}
	h["Cache-Control"] = []string{"no-store"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
}

// refusalOf says what an error of the Manager, of the client's body or of the
// way to the backend means to the client. It returns nil if nobody is there to
// be told.
func refusalOf(ctx context.Context, err error) *refusal {
	var ours *refusal
	var retry *codexauth.RetryError
	var long *http.MaxBytesError
	var body *bodyError
	_, _, moved := reason.MovedTo(err)
	is := func(target error) bool { return errors.Is(err, target) }
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errRevoked), errors.Is(cause, errExpired):
		return refuse(http.StatusUnauthorized, "unauthorized", cause.Error()+" while the request was under way")
	case errors.Is(cause, errSlowBody):
		return refuse(http.StatusRequestTimeout, "slow_client", "the body did not arrive in time")
	case cause != nil:
		return nil
	case errors.As(err, &ours):
		return ours
	case errors.As(err, &long):
		return tooLarge(long.Limit)
	case errors.As(err, &body):
		return refuse(http.StatusBadRequest, "bad_body", "the body can't be read: "+cleantext.Message(body.Error()))
	case moved:
		return refuse(http.StatusServiceUnavailable, "signed_out", movedMessage)
	case is(codexauth.ErrSignedOut):
		return refuse(http.StatusServiceUnavailable, "signed_out", "the broker is not signed in; run `codexauth login` where it runs")
	case errors.As(err, &retry), is(codexauth.ErrTransient), is(codexauth.ErrUnknownOutcome), is(codexauth.ErrBusy):
		f := &refusal{status: http.StatusServiceUnavailable, code: "try_later", retry: time.Second}
		if retry != nil {
			err = retry.Err // the header says when
			f.retry = max(time.Until(retry.At), time.Second)
		}
		f.message = "no access token at the moment: " + cleantext.Message(err.Error())
		return f
	case is(codexauth.ErrRefused):
		return refuse(http.StatusServiceUnavailable, "refused", "the broker's login is no longer accepted; run `codexauth login` where it runs")
	case is(errRedirect):
		return refuse(http.StatusBadGateway, "upstream_redirect", errRedirect.Error())
	case is(errUpstream):
		return &refusal{status: http.StatusBadGateway, code: "upstream_failed", message: cleantext.Message(err.Error()), retry: time.Second}
	case is(codexauth.ErrClosed):
		return &refusal{status: http.StatusServiceUnavailable, code: "stopping", message: "the broker is stopping", retry: time.Second}
	}
	// What else goes wrong here is about the store, and none of a client's business.
	return refuse(http.StatusServiceUnavailable, "broker_failed", "the broker can't use its login; its log says why")
}
