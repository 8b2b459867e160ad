package broker

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

type keyFileBody struct {
	Keys []storedKey `json:"keys"`
}

type storedKey struct {
	Name    string    `json:"name"`
	SHA256  string    `json:"sha256"` // hex
	Lease   bool      `json:"lease,omitempty"`
	Metrics bool      `json:"metrics,omitempty"`
	Status  bool      `json:"status,omitempty"`
	Login   string    `json:"login,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	Paths   []string  `json:"paths,omitempty"`
	Rate    string    `json:"rate,omitempty"` // as ParseRate reads it
	Burst   int       `json:"burst,omitempty"`
	Streams int       `json:"streams,omitempty"`
	Before  *oldText  `json:"before,omitempty"`
}

// oldText is a text that was rotated away.
type oldText struct {
	SHA256 string    `json:"sha256"`
	Ends   time.Time `json:"ends"`
}

func (s storedKey) key() (k Key, err error) {
	k = Key{
		Name: s.Name, Lease: s.Lease, Metrics: s.Metrics, Status: s.Status, Login: s.Login,
		Expires: s.Expires, Paths: s.Paths, Streams: s.Streams,
	}
	if k.SHA256, err = parseHash(s.SHA256); err == nil && s.Before != nil {
		k.BeforeEnds = s.Before.Ends
		k.Before, err = parseHash(s.Before.SHA256)
	}
	if err == nil && s.Rate != "" {
		k.Rate, err = ParseRate(s.Rate)
		k.Rate.Burst = s.Burst
	}
	if err != nil {
		return k, fmt.Errorf("key %q: %w", s.Name, err)
	}
	return k, nil
}

func parseHash(text string) (sum [32]byte, err error) {
	if n, err := hex.Decode(sum[:], []byte(text)[:min(len(text), 64)]); err != nil || n != 32 || len(text) != 64 {
		return sum, errors.New("its hash is malformed")
	}
	return sum, nil
}

// stored leaves out an old text that has ended.
func (k Key) stored() storedKey {
	s := storedKey{
		Name: k.Name, SHA256: hex.EncodeToString(k.SHA256[:]), Lease: k.Lease, Metrics: k.Metrics, Status: k.Status, Login: k.Login,
		Expires: k.Expires, Paths: k.Paths, Streams: k.Streams,
	}
	if time.Now().Before(k.BeforeEnds) {
		s.Before = &oldText{hex.EncodeToString(k.Before[:]), k.BeforeEnds}
	}
	if k.Rate.N > 0 {
		s.Rate, s.Burst = k.Rate.short(), k.Rate.Burst
	}
	return s
}

func parseKeys(text []byte) ([]Key, error) {
	if text == nil {
		return nil, nil
	}
	var body keyFileBody
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // editors on Windows put it there
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields() // a limit on a key that we don't know must not be passed over
	if err := d.Decode(&body); err != nil {
		return nil, err
	}
	var keys []Key
	for _, s := range body.Keys {
		k, err := s.key()
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, checkKeys(keys)
}

func keysText(keys []Key) ([]byte, error) {
	body := keyFileBody{Keys: []storedKey{}}
	for _, k := range keys {
		body.Keys = append(body.Keys, k.stored())
	}
	text, err := json.MarshalIndent(body, "", "  ")
	return append(text, '\n'), err
}
