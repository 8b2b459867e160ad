// Package overview is what a broker says about itself to those who watch it: the
// body of its GET /overview, in Go's terms. It holds no token, no key and nothing
// of what was asked or answered. More fields may come.
package overview

import "time"

// Overview is how a broker is doing. Times are by the broker's clock.
type Overview struct {
	At        time.Time `json:"at"`
	StartedAt time.Time `json:"started_at"`
	Version   string    `json:"version,omitempty"`
	// Connections are those that clients have open.
	Connections int      `json:"connections"`
	Logins      []Login  `json:"logins"`
	Clients     []Client `json:"clients"`
	Models      []Model  `json:"models"`
	// Events are what happened lately, the latest first.
	Events []Event `json:"events"`
}

// Login is one login that the broker uses.
type Login struct {
	Profile string `json:"profile"`
	// State is that of `codexauth status`, or "" where Error says why it can't be
	// told.
	State string `json:"state,omitempty"`
	Error string `json:"error,omitempty"`
	// Account is the e-mail address with its middle left out, or the account's id.
	Account     string    `json:"account,omitempty"`
	Plan        string    `json:"plan,omitempty"`
	Issuer      string    `json:"issuer,omitempty"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	DueAt       time.Time `json:"due_at,omitzero"` // the first request after it brings a refresh
	LastRefresh time.Time `json:"last_refresh,omitzero"`
	Refusal     *Refusal  `json:"refusal,omitempty"` // the server's, for good
	Failure     string    `json:"failure,omitempty"` // of the last refresh; it passes
	RetryAt     time.Time `json:"retry_at,omitzero"`
	Pending     string    `json:"pending,omitempty"` // a refresh whose outcome is not known yet
	Rescued     bool      `json:"rescued,omitempty"` // a newer token waits to be put back
	Usage       *Usage    `json:"usage,omitempty"`   // nil until it was asked for
}

// Refusal is why the server no longer accepts a login.
type Refusal struct {
	At          time.Time `json:"at"`
	Code        string    `json:"code"`
	Status      int       `json:"status,omitempty"`      // HTTP
	Description string    `json:"description,omitempty"` // the server's words
	CutOff      string    `json:"cut_off,omitempty"`     // the refresh whose answer was lost before
}

// Usage is how much of a login's limits was used when the backend was asked.
type Usage struct {
	At      time.Time `json:"at,omitzero"` // of the last answer; zero if there was none
	Reached bool      `json:"reached,omitempty"`
	Windows []Window  `json:"windows,omitempty"`
	Error   string    `json:"error,omitempty"` // why the last question was not answered
}

// Window is one limit: so much within such a time.
type Window struct {
	Name    string    `json:"name"`
	Percent float64   `json:"used_percent"`
	Seconds int64     `json:"window_seconds,omitempty"`
	ResetAt time.Time `json:"resets_at,omitzero"`
}

// Client is somebody who asks: a key, a user of the socket, or all together who
// were not let in. Its numbers are since the broker's start, or since the key was
// made.
type Client struct {
	Name     string    `json:"name"`
	Profile  string    `json:"profile,omitempty"` // the login that the key is for; "" is the first
	Open     int64     `json:"open"`              // requests and streams under way
	Requests int64     `json:"requests"`
	Refused  int64     `json:"refused,omitempty"` // answered with a status of 400 to 499
	Failed   int64     `json:"failed,omitempty"`  // answered with 500 and more
	In       int64     `json:"bytes_in"`
	Out      int64     `json:"bytes_out"`
	Tokens   int64     `json:"tokens"` // of input and output, as the backend counts them on /v1
	LastUsed time.Time `json:"last_used,omitzero"`
	Expires  time.Time `json:"expires_at,omitzero"`
	Rate     string    `json:"rate,omitempty"`    // its limit, such as 60/m
	Streams  int       `json:"streams,omitempty"` // its limit
	Lease    bool      `json:"lease,omitempty"`
}

// Model is how often one was asked.
type Model struct {
	Name    string `json:"name"`
	Answers int64  `json:"answers"`
	Failed  int64  `json:"failed,omitempty"` // that did not finish
}

// Event is something that happened.
type Event struct {
	At      time.Time `json:"at"`
	Profile string    `json:"profile,omitempty"`
	// Bad: something that somebody should look at.
	Bad    bool   `json:"bad,omitempty"`
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}
