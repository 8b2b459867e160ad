package sandbox

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// interrupt plays the faults that come before a request is served and reports
// whether that was the end of it.
func (s *Server) interrupt(w http.ResponseWriter, r *http.Request, faults hits) (done bool) {
	for _, f := range faults {
		if f.kind.group == "" && f.duration > 0 && !sleep(r.Context(), f.duration) {
			drop(w)
			return true
		}
	}
	f, ok := faults.group("instead")
	if !ok {
		return false
	}
	switch f.Name {
	case "rate-limit":
		w.Header().Set("Retry-After", strconv.Itoa(int(f.duration/time.Second)))
		writeRefusal(w, &refusal{status: http.StatusTooManyRequests, code: "rate_limit_exceeded", message: "The sandbox was told to limit the rate."})
	case "refuse":
		writeRefusal(w, &refusal{status: refuseStatus(f.Arg), code: f.Arg, message: "The sandbox was told to refuse this request."})
	case "html":
		gatewayPage(w, http.StatusOK)
	case "html-status":
		gatewayPage(w, f.status)
	case "redirect":
		w.Header().Set("Location", "/oauth/elsewhere")
		w.WriteHeader(http.StatusFound)
	case "drop-before":
		drop(w)
	case "hang":
		<-r.Context().Done()
		drop(w)
	case "backend-drop", "backend-no-content-type":
		return false // the stream plays these
	case "backend-unauthorized":
		s.unauthorized(w, "token_expired", "The sandbox was told to refuse this token.")
	default: // the ones that name a status
		if f.kind.stage == atBackend && f.status == http.StatusUnauthorized {
			s.count(func(c *Counters) { c.BackendUnauthorized++ })
		}
		writeRefusal(w, &refusal{status: f.status, code: "sandbox_fault", message: "The sandbox was told to answer so."})
	}
	return true
}

// refuseStatus is 400 for the codes of RFC 6749 §5.2, and otherwise the 401 of
// the service.
func refuseStatus(code string) int {
	rfc := []string{"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope"}
	if slices.Contains(rfc, code) {
		return http.StatusBadRequest
	}
	return http.StatusUnauthorized
}

// deliver answers a token request that was accepted, as well as its faults let it.
func (s *Server) deliver(w http.ResponseWriter, r *http.Request, g *grant, t Tokens) {
	if f, ok := g.faults.group("latency-after"); ok && !sleep(r.Context(), f.duration) {
		drop(w)
		return
	}
	text := marshalAnswer(g.answer(t))
	f, _ := g.faults.group("ending")
	switch f.Name {
	case "status-after":
		gatewayPage(w, f.status)
		return
	case "drop-after":
		drop(w)
		return
	case "trailing":
		text = append(text, "}garbage after the answer\n"...)
	}
	jsonHeader(w)
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	if f.Name == "truncate" {
		text = text[:len(text)/2] // net/http closes the connection of an answer that is too short
	}
	_, _ = w.Write(text) // a client that has gone needs no answer
}

// gatewayPage is what a proxy in front of the service answers: HTML and no JSON.
func gatewayPage(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	title := fmt.Sprintf("%d %s", status, reasonPhrase(status))
	_, _ = fmt.Fprintf(w, "<!doctype html>\n<html><head><title>%s</title></head><body><h1>%s</h1><p>sandbox gateway</p></body></html>\n", title, title)
}

// drop closes the connection without an answer: a handler that merely returned
// would send an empty 200.
func drop(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // only for protocols that the sandbox does not speak
		http.Error(w, "the connection can't be dropped", http.StatusInternalServerError)
		return
	}
	_ = conn.Close() // closing is all there is to do
}

// sleep waits for d and reports whether it did: not if the client left or the
// server is closing.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
