package seal

import (
	"strings"
	"testing"
)

// record is of the size that a login has.
var record = strings.Repeat("0123456789abcdef", 300)

func BenchmarkSealAndOpen(b *testing.B) {
	hybrid, classic := keyFile(b, hybridLine(b)), keyFile(b, classicLine(b))
	for _, c := range []struct {
		name string
		s    *Sealer
	}{{"hybrid", openFile(b, hybrid, UI{})}, {"x25519", openFile(b, classic, UI{})}, {"passphrase", quick("a passphrase")}} {
		sealed := mustSeal(b, c.s, record)
		b.Run("seal/"+c.name, func(b *testing.B) {
			for b.Loop() {
				mustSeal(b, c.s, record)
			}
		})
		b.Run("open/"+c.name, func(b *testing.B) {
			for b.Loop() {
				mustOpen(b, c.s, sealed, record)
			}
		})
	}
}

// BenchmarkFirstOpen is what a process pays that opens one record: the key file,
// its identity, and for a passphrase scrypt at its default work factor.
func BenchmarkFirstOpen(b *testing.B) {
	for _, c := range []struct{ name, path string }{{"hybrid", keyFile(b, hybridLine(b))}, {"x25519", keyFile(b, classicLine(b))}} {
		sealed := mustSeal(b, openFile(b, c.path, UI{}), record)
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				mustOpen(b, openFile(b, c.path, UI{}), sealed, record)
			}
		})
	}
	b.Run("passphrase", func(b *testing.B) {
		byWord := func() *Sealer {
			s, err := Passphrase([]byte("a passphrase"))
			if err != nil {
				b.Fatal(err)
			}
			return s
		}
		sealed := mustSeal(b, byWord(), record)
		for b.Loop() {
			mustOpen(b, byWord(), sealed, record)
		}
	})
}

func BenchmarkOpenFile(b *testing.B) {
	path := keyFile(b, hybridLine(b))
	for b.Loop() {
		openFile(b, path, UI{})
	}
}
