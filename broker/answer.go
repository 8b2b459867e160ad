package broker

import (
	"net/http"
	"strings"
	"time"
)

// answer is a ResponseWriter that remembers the status for the audit log, lets
// no header pass that is not for the client, and gives up a client that does not
// read.
type answer struct {
	http.ResponseWriter
	conn     *http.ResponseController
	patience time.Duration
	status   int
}

func newAnswer(w http.ResponseWriter, patience time.Duration) *answer {
	return &answer{ResponseWriter: w, conn: http.NewResponseController(w), patience: patience}
}

func (a *answer) WriteHeader(status int) {
	h := a.Header()
	for name := range h {
		if !forClient(name) {
			delete(h, name)
		}
	}
	if status < 200 { // informational: the answer is yet to come
		a.ResponseWriter.WriteHeader(status)
		return
	}
	if a.status == 0 {
		a.status = status
	}
	if _, ok := h["Content-Type"]; !ok {
		h["Content-Type"] = nil // stops net/http from guessing one: the backend's streams may have none
	}
	a.hurry()
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.WriteHeader(http.StatusOK)
	}
	a.hurry()
	return a.ResponseWriter.Write(p)
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.hurry()
	return a.conn.Flush()
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// hurry gives the client until then to take what is written next. A time-out
// that covers the whole answer would cut streams.
func (a *answer) hurry() {
	_ = a.conn.SetWriteDeadline(time.Now().Add(a.patience)) // a connection without deadlines has none to miss
}

// forClient reports whether a header of the backend's answer may pass. Cookies
// are between the backend and us, and what a browser would take for an order
// about our origin is not the backend's to give.
func forClient(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "Location", "Refresh", "Nel", "Report-To":
		return false
	}
	return !strings.HasPrefix(name, "Access-Control-")
}
