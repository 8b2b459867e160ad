package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"slices"
	"time"

	"codexauth"
	"codexauth/internal/atomicfile"
	"codexauth/internal/place"
)

// A tool that runs a command for its token, such as the official command line,
// runs it once, and once more when the backend has refused that token. It has no
// way to say so. But a process that asks again so soon, and would be given the
// same token again, can only mean that.

const (
	repeatWithin = 4 * time.Minute // shorter than the interval at which that tool asks anyway
	maxAsked     = 64              // processes that are remembered
)

// asked is one process that was given a token.
type asked struct {
	Parent int       `json:"parent"`
	Token  string    `json:"token"` // its SHA-256
	At     time.Time `json:"at"`
}

// isRepeat reports whether the process that runs us was given this very token a
// moment ago, and remembers that it is given it now. What can't be remembered
// means no.
func isRepeat(p *place.Place, t codexauth.Token, now time.Time) bool {
	sum := sha256.Sum256([]byte(t.AccessToken.Reveal()))
	me := asked{os.Getppid(), hex.EncodeToString(sum[:]), now}
	var all []asked
	path := p.LockFile("asked")
	if path == "" {
		return false
	}
	if data, err := atomicfile.Read(path, 64<<10, nil); err == nil {
		_ = json.Unmarshal(data, &all) // if it is torn, nobody is remembered
	}
	old := func(a asked) bool { return now.Sub(a.At).Abs() > repeatWithin }
	all = slices.DeleteFunc(all, old)
	repeat := slices.ContainsFunc(all, func(a asked) bool { return a.Parent == me.Parent && a.Token == me.Token })
	all = append(slices.DeleteFunc(all, func(a asked) bool { return a.Parent == me.Parent }), me)
	if data, err := json.Marshal(all[max(0, len(all)-maxAsked):]); err == nil {
		_ = atomicfile.Write(path, data, atomicfile.Options{})
	}
	return repeat
}
