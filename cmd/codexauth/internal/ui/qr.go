package ui

import (
	"golang.org/x/term"

	"codexauth/internal/qr"
)

// DrawQR draws an address for a phone, as well as the terminal allows.
func (t *Terminal) DrawQR(address string) {
	o := qr.Options{Color: t.StyleOf(t.Stderr).on}
	if width, _, err := term.GetSize(int(t.Stderr.Fd())); err == nil {
		o.Width = width
	}
	if err := qr.Write(t.Stderr, address, o); err != nil {
		t.Say("No QR code: %v.", err)
	}
	t.Say("")
}
