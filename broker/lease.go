package broker

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
)

const maxLeaseBody = 4 << 10

// leaseRequest is the body of POST /token, which may be empty.
type leaseRequest struct {
	// NotSHA256 is the SHA-256, in hex, of a token that the backend refused: give
	// me another one.
	NotSHA256 string `json:"not_sha256"`
}

type lease struct {
	AccessToken string `json:"access_token"`
	AccountID   string `json:"account_id"`
	ExpiresAt   string `json:"expires_at"` // RFC 3339, UTC, by the issuer's clock
}

// leaseAnswer is the answer about one token, as it is sent.
type leaseAnswer struct {
	token  codexauth.Token
	body   []byte
	length []string // header
}

func (s *Server) handleToken(w *call, r *http.Request) {
	not, err := readLease(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	t, err := tokenOtherThan(r.Context(), s.cfg.Manager, not)
	if err != nil {
		s.log.Debug("no token", "err", cleantext.Message(err.Error()))
		fail(w, r, err)
		return
	}
	a, err := s.leaseOf(t)
	if err != nil {
		fail(w, r, err)
		return
	}
	h := w.Header()
	jsonHeaders(h)
	h["Content-Length"] = a.length
	_, _ = w.Write(a.body) // a client that has gone needs no answer
}

// leaseOf makes the answer about t, or takes the one that was made before.
func (s *Server) leaseOf(t codexauth.Token) (*leaseAnswer, error) {
	if a := s.leased.Load(); a != nil && a.token == t { // the very same; an equal one costs another encoding
		return a, nil
	}
	s.met.sawToken("Bearer " + t.AccessToken.Reveal())
	body, err := json.Marshal(lease{t.AccessToken.Reveal(), t.AccountID, t.Expiry.UTC().Format(time.RFC3339)})
	if err != nil {
		return nil, err
	}
	a := &leaseAnswer{token: t, body: append(body, '\n'), length: []string{strconv.Itoa(len(body) + 1)}}
	s.leased.Store(a)
	return a, nil
}

// readLease returns the hash of the token that is not wanted, or nil.
func readLease(w http.ResponseWriter, r *http.Request) (not []byte, err error) {
	if r.ContentLength == 0 {
		return nil, nil
	}
	// Forms and text/plain are what a web page can send without asking first.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return nil, refuse(http.StatusUnsupportedMediaType, "unsupported_media_type", "send application/json, or nothing")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLeaseBody))
	d.DisallowUnknownFields()
	var req leaseRequest
	err = d.Decode(&req)
	if err == nil {
		if _, after := d.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("something follows the object")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case r.Context().Err() != nil, errors.As(err, &tooLarge):
		return nil, err
	case errors.Is(err, io.EOF) && req == leaseRequest{}: // chunked, and empty
		return nil, nil
	case err != nil:
		return nil, refuse(http.StatusBadRequest, "bad_request", `the body is not {"not_sha256": "…"}`)
	case req.NotSHA256 == "":
		return nil, nil
	}
	not, err = hex.DecodeString(req.NotSHA256)
	if err != nil || len(not) != sha256.Size {
		return nil, refuse(http.StatusBadRequest, "bad_request", "not_sha256 is not a SHA-256 in hex (64 digits)")
	}
	return not, nil
}

// tokenOtherThan returns a token whose hash is not the given one. It invalidates
// that token only: if another one is at hand or stored, that is what the client
// gets, and nothing is refreshed.
func tokenOtherThan(ctx context.Context, m *codexauth.Manager, not []byte) (codexauth.Token, error) {
	t, err := m.Token(ctx)
	if err != nil || not == nil || !hashIs(t, not) {
		return t, err
	}
	m.Invalidate(t)
	t, err = m.Token(ctx)
	if err == nil && hashIs(t, not) {
		err = &codexauth.RetryError{Err: errors.New("there is no other token yet")}
	}
	return t, err
}

func hashIs(t codexauth.Token, hash []byte) bool {
	sum := sha256.Sum256([]byte(t.AccessToken.Reveal()))
	return subtle.ConstantTimeCompare(sum[:], hash) == 1
}
