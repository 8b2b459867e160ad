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

	"codexauth/internal/cleantext"
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
	// Held is how long the answer had been there when it was taken.
	Held time.Duration
	// Odd is why the access token can't be used, if one came.
	Odd error
	// Torn is why the rest of the answer could not be read; nil if all of it was.
	Torn error
}

// MaxToken is the length of the longest access token or ID token that is taken, so
// that a new one of each, in addition to what is kept, always fits into a record. A
// longer one is dropped: no header takes it, and the refresh token beside it is saved.
const MaxToken = 192 << 10

// maxScope bounds the scope for the same reason.
const maxScope = 16 << 10

// parseAnswer reads a 2xx body. A body that was cut off still yields the fields
// that arrived whole: the server has spent the old token, so a successor that
// can be read must not be thrown away. For the same reason each token is judged
// alone: what is odd about the one beside it is no fault of the refresh token.
func parseAnswer(body []byte) (*Answer, error) {
	fields, err := objectFields(body)
	if fields == nil {
		return nil, fmt.Errorf("%w: a gateway's page or a captive portal's?", err)
	}
	a := &Answer{
		// The refresh token goes into a form, which takes whatever the server likes.
		RefreshToken: strings.Trim(text(fields["refresh_token"]), blanks),
		Scope:        text(fields["scope"]),
		ExpiresIn:    seconds(fields["expires_in"]),
		Torn:         err,
	}
	if len(a.Scope) > maxScope {
		a.Scope = ""
	}
	a.AccessToken, a.Odd = headerText(fields["access_token"])
	a.IDToken, _ = headerText(fields["id_token"]) // without it the old one is kept
	return a, nil
}

// blanks are what a careless server leaves around a token, which has none.
const blanks = " \t\r\n"

// headerText is a token that has to go through a header.
func headerText(v any) (string, error) {
	token := strings.Trim(text(v), blanks)
	if !isGraphicASCII(token) {
		return "", errors.New("the access token holds characters that no token has")
	}
	if len(token) > MaxToken {
		return "", fmt.Errorf("the access token is %d bytes long; no header takes that", len(token))
	}
	return token, nil
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
// What follows the object is ignored, and a byte order mark before it (RFC 8259
// §8.1).
func objectFields(body []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(cleantext.SkipMark(body)))
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
