package storetest

import (
	"bytes"
	"fmt"
	"testing"
)

// Bench measures the store with a record of the size that real ones have: a
// Load, a claim that changes nothing, and a claim with one commit.
func Bench(b *testing.B, p Place) {
	s := p.Open()
	ctx := b.Context()
	record := bytes.Repeat([]byte("r"), 4400)
	put(b, s, "bench", string(record))
	b.Run("Load", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Load(ctx, "bench"); err != nil {
				b.Fatal(err)
			}
		}
	})
	for commits := range 2 {
		b.Run(fmt.Sprintf("Claim/commits=%d", commits), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c, err := s.Claim(ctx, "bench")
				if err != nil {
					b.Fatal(err)
				}
				for range commits {
					if err := c.Commit(ctx, record); err != nil {
						b.Fatal(err)
					}
				}
				if err := c.Release(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
