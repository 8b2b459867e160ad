package main

import (
	"golang.org/x/term"

	"codexauth/internal/qr"
)

// drawQR draws an address for a phone, as well as the terminal allows.
func (t *console) drawQR(address string) {
	o := qr.Options{Color: t.styleOf(t.stderr).on}
	if width, _, err := term.GetSize(int(t.stderr.Fd())); err == nil {
		o.Width = width
	}
	if err := qr.Write(t.stderr, address, o); err != nil {
		t.say("No QR code: %v.", err)
	}
	t.say("")
}
