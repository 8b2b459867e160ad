package sandbox

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	mathrand "math/rand/v2"
	"sync"
)

// A source makes tokens, codes, ids and keys: at random, or from a seed.
type source struct {
	mu sync.Mutex
	r  io.Reader
}

func newSource(seed uint64) *source {
	if seed == 0 {
		return &source{r: rand.Reader}
	}
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("codexauth sandbox "), seed))
	return &source{r: mathrand.NewChaCha8(key)}
}

// bytes returns n bytes. Neither source ever fails: crypto/rand ends the program
// instead, and ChaCha8 has no errors.
func (s *source) bytes(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := make([]byte, n)
	_, _ = io.ReadFull(s.r, b)
	return b
}

// token returns prefix and 256 bits in base64url.
func (s *source) token(prefix string) string {
	return prefix + base64.RawURLEncoding.EncodeToString(s.bytes(32))
}

// userCode returns a code to be typed, from the alphabet of RFC 8628 §6.1: no
// vowels, so that it spells nothing, and no letters that look like digits.
func (s *source) userCode() string {
	const alphabet = "BCDFGHJKLMNPQRSTVWXZ"
	code := make([]byte, 0, 9)
	for len(code) < 9 {
		if len(code) == 4 {
			code = append(code, '-')
		}
		// 240 is a multiple of 20: bytes above it would make some letters likelier.
		if b := s.bytes(1)[0]; b < 240 {
			code = append(code, alphabet[int(b)%len(alphabet)])
		}
	}
	return string(code)
}
