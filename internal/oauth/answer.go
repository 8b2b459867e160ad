package oauth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Answer is what a token endpoint granted. In the answer to a refresh any field
// may be absent; what is absent keeps its old value.
type Answer struct {
	AccessToken  string
	RefreshToken string
	IDToken      string
	Scope        string
	ExpiresIn    time.Duration // 0 if absent
	Date         time.Time     // the server's clock when it answered; zero if it did not say
	// Torn is why the rest of the answer could not be read; nil if all of it was.
	Torn error
}

// parseAnswer reads a 2xx body. A body that was cut off still yields the fields
// that arrived whole: the server has spent the old token, so a successor that
// can be read must not be thrown away.
func parseAnswer(body []byte) (*Answer, error) {
	fields, err := objectFields(body)
	if fields == nil {
		return nil, err
	}
	a := &Answer{
		AccessToken:  text(fields["access_token"]),
		RefreshToken: text(fields["refresh_token"]),
		IDToken:      text(fields["id_token"]),
		Scope:        text(fields["scope"]),
		ExpiresIn:    seconds(fields["expires_in"]),
		Torn:         err,
	}
	for _, token := range []string{a.AccessToken, a.RefreshToken, a.IDToken} {
		if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return nil, errors.New("a token holds characters that no token has")
		}
	}
	return a, nil
}

// seconds reads expires_in, which some servers send as a string.
func seconds(v any) time.Duration {
	var f float64
	switch v := v.(type) {
	case json.Number:
		f, _ = v.Float64()
	case string:
		f, _ = strconv.ParseFloat(v, 64)
	}
	if math.IsNaN(f) || f <= 0 {
		return 0
	}
	const century = 100 * 365 * 24 * 3600
	return time.Duration(min(f, century) * float64(time.Second))
}

// objectFields reads a JSON object field by field. On an error it returns the
// fields that were complete before it, and nil if not even an object begins.
// What follows the object is ignored.
func objectFields(body []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if tok, err := dec.Token(); err != nil || tok != json.Delim('{') {
		return nil, errors.New("not a JSON object")
	}
	fields := map[string]any{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return fields, cutOff(err)
		}
		name, ok := key.(string)
		if !ok {
			return fields, errors.New("not a JSON object")
		}
		var value any
		if err := dec.Decode(&value); err != nil {
			return fields, cutOff(err)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return fields, cutOff(err)
	}
	return fields, nil
}

// cutOff keeps the decoder's error out of messages: it can quote the body.
func cutOff(err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Errorf("the JSON breaks off at byte %d", syntax.Offset)
	}
	return errors.New("the JSON breaks off")
}
