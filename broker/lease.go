package broker

import (
	"crypto/sha256"
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
	// MinValid is how many seconds the token should have left.
	MinValid int64 `json:"min_valid"`
}

type lease struct {
	AccessToken string `json:"access_token"`
	AccountID   string `json:"account_id"`
	ExpiresAt   string `json:"expires_at"` // RFC 3339, UTC, by the issuer's clock
	// In seconds from now on, so that no clock but the broker's has to be right.
	ExpiresIn int64  `json:"expires_in"`
	RefreshIn int64  `json:"refresh_in"` // there will be a newer token then
	Issuer    string `json:"issuer"`
	FedRAMP   bool   `json:"fedramp,omitempty"` // the backend wants a header that says so
}

func leaseOf(l codexauth.Lease, expires, refresh int64) lease {
	return lease{
		AccessToken: l.Token.AccessToken.Reveal(), AccountID: l.Token.AccountID,
		ExpiresAt: l.Token.Expiry.UTC().Format(time.RFC3339), ExpiresIn: expires, RefreshIn: refresh,
		Issuer: l.Issuer, FedRAMP: l.Token.FedRAMP,
	}
}

// leaseAnswer is the answer about one token in one second, as it is sent.
type leaseAnswer struct {
	token            codexauth.Token
	expires, refresh int64
	body             []byte
	length           []string // header
}

func (s *Server) handleToken(w *call, r *http.Request) {
	wish, err := readLease(w, r)
	if err != nil {
		fail(w, r, err)
		return
	}
	l, err := w.login.Manager.Lease(r.Context(), wish)
	if err != nil {
		s.log.Debug("no token", "err", cleantext.Message(err.Error()))
		fail(w, r, err)
		return
	}
	a, err := s.leaseAnswer(w.login, l, time.Now())
	if err != nil {
		fail(w, r, err)
		return
	}
	h := w.Header()
	jsonHeaders(h)
	h["Content-Length"] = a.length
	_, _ = w.Write(a.body) // a client that has gone needs no answer
}

// leaseAnswer makes the answer about l, or takes the one that was made before in
// this second. The token is compared as the very same: an equal one costs another
// encoding.
func (s *Server) leaseAnswer(of *login, l codexauth.Lease, now time.Time) (*leaseAnswer, error) {
	in := func(t time.Time) int64 { return int64(max(t.Sub(now), 0) / time.Second) }
	expires, refresh := in(l.End), in(l.Due)
	if a := of.leased.Load(); a != nil && a.token == l.Token && a.expires == expires && a.refresh == refresh {
		return a, nil
	}
	s.met.sawToken(&of.seen, "Bearer "+l.Token.AccessToken.Reveal())
	body, err := json.Marshal(leaseOf(l, expires, refresh))
	if err != nil {
		return nil, err
	}
	a := &leaseAnswer{l.Token, expires, refresh, append(body, '\n'), []string{strconv.Itoa(len(body) + 1)}}
	of.leased.Store(a)
	return a, nil
}

// maxMinValid keeps the seconds of a wish within a Duration.
const maxMinValid = 1 << 31

// readLease returns which token is wanted.
func readLease(w http.ResponseWriter, r *http.Request) (wish codexauth.LeaseRequest, err error) {
	if r.ContentLength == 0 {
		return wish, nil
	}
	// Forms and text/plain are what a web page can send without asking first.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return wish, refuse(http.StatusUnsupportedMediaType, "unsupported_media_type", "send application/json, or no body")
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxLeaseBody))
	d.DisallowUnknownFields()
	var req leaseRequest
	err = d.Decode(&req)
	if err == nil {
		if _, after := d.Token(); !errors.Is(after, io.EOF) {
			err = errors.New("there is data after the JSON object")
		}
	}
	var tooLarge *http.MaxBytesError
	switch {
	case r.Context().Err() != nil, errors.As(err, &tooLarge):
		return wish, err
	case errors.Is(err, io.EOF) && req == leaseRequest{}: // chunked, and empty
		return wish, nil
	case err != nil:
		return wish, refuse(http.StatusBadRequest, "bad_request", `the body is not {"not_sha256": "…", "min_valid": 600}`)
	case req.MinValid < 0, req.MinValid > maxMinValid:
		return wish, refuse(http.StatusBadRequest, "bad_request", "min_valid is not a number of seconds")
	}
	sum, err := hex.DecodeString(req.NotSHA256)
	if err != nil || len(sum) != 0 && len(sum) != sha256.Size {
		return wish, refuse(http.StatusBadRequest, "bad_request", "not_sha256 is not a SHA-256 in hex (64 digits)")
	}
	return codexauth.LeaseRequest{NotSHA256: req.NotSHA256, MinValid: time.Duration(req.MinValid) * time.Second}, nil
}
