package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strings"
)

// sealedMark is how the service's encrypted content begins, as all of its kind.
const sealedMark = "gAAAAAB"

func newSealKey(seed uint64) []byte {
	if seed == 0 {
		return newSource(0).bytes(32)
	}
	key := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("codexauth sandbox reasoning "), seed))
	return key[:]
}

// sealed is what stands for the hidden part of an item: it holds nothing, and
// only this sandbox takes it back, from the same account.
func (s *Server) sealed(account string) string {
	nonce := s.random.bytes(16)
	return sealedMark + base64.RawURLEncoding.EncodeToString(append(nonce, s.sealMAC(nonce, account)...))
}

func (s *Server) sealMAC(nonce []byte, account string) []byte {
	mac := hmac.New(sha256.New, s.sealKey)
	mac.Write(nonce)
	mac.Write([]byte(account))
	return mac.Sum(nil)
}

func (s *Server) opens(text, account string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(text, sealedMark))
	return err == nil && strings.HasPrefix(text, sealedMark) && len(raw) > 16 && hmac.Equal(raw[16:], s.sealMAC(raw[:16], account))
}

// checkSealed refuses an item that was not sealed here for this account.
func (s *Server) checkSealed(p *prompt, account string) *BodyError {
	for _, item := range p.input {
		text, given := item["encrypted_content"].(string)
		if !given || s.opens(text, account) {
			continue
		}
		which, _ := item["id"].(string)
		if which == "" {
			which = text[:min(4, len(text))] + "..."
		} else {
			which = "for item " + which
		}
		return &BodyError{Status: http.StatusBadRequest, Code: "invalid_encrypted_content",
			Message: "The encrypted content " + which + " could not be verified. Reason: Encrypted content could not be decrypted or parsed."}
	}
	return nil
}
