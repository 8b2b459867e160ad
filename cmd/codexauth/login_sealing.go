package main

import (
	"context"

	"codexauth/internal/cleantext"
	"codexauth/internal/place"
	"codexauth/store/file"
	"codexauth/store/keyring"
)

// mention returns a function that tells a person at a terminal, once they have
// signed in, that a plain store is plain, and how to seal it. Whether a
// keyring answers is found out while they sign in, so that nobody waits for it.
func (a *app) mention(ctx context.Context, p *place.Place) func() {
	if p.Sealer != nil || a.Flags.JSON || !a.CanAsk() {
		return func() {}
	}
	how := a.Command("store seal") + " seals it"
	store, isFile := plainFile(p)
	if !isFile { // a server's
		return func() { a.Say("It is stored in plain text, %s. %s.", p.Readers(), how) }
	}
	answered := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		answered <- keyring.Probe(ctx)
	}()
	return func() {
		select {
		case err := <-answered:
			if err == nil {
				how = a.Command("store copy "+store+" keyring:") + " seals it with a key in your keyring"
			}
		default:
		}
		a.Say("It is stored in plain text, for you alone to read. %s.", how)
	}
}

// plainFile returns the address of a file store that is not sealed, as short as
// it can be.
func plainFile(p *place.Place) (address string, ok bool) {
	usual, err := place.Directory("", file.DefaultDir)
	switch {
	case p.Sealer != nil || p.Address != "file:"+p.LockDir:
		return "", false
	case err == nil && usual == p.LockDir:
		return "file:", true
	}
	return cleantext.ShellWord(p.Address), true
}
