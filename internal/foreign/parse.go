package foreign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
)

// ErrMalformed: a file is not what the tool is known to write.
var ErrMalformed = errors.New("not understood")

// contents are what a file holds.
type contents struct {
	codexcli.Auth
	entry  string // the name of the member that is the login; "" is the whole file
	others int    // how many other logins stand there
}

func parseCodex(data []byte) (contents, error) {
	auth, err := codexcli.ParseAuth(data)
	return contents{Auth: auth}, err
}

// An entry is a login of one provider's, as opencode and pi write it.
type entry struct {
	Type    string `json:"type"`
	Access  string `json:"access"`
	Refresh string `json:"refresh"`
	Account string `json:"accountId"`
}

// entryParser parses a file with one entry a provider.
func entryParser(provider string) func([]byte) (contents, error) {
	return func(data []byte) (contents, error) {
		all, err := members(data)
		if err != nil {
			return contents{}, err
		}
		i := slices.IndexFunc(all, func(m member) bool { return m.name == provider })
		if i < 0 {
			return contents{}, fmt.Errorf("it holds %w of %s", codexcli.ErrNoLogin, provider)
		}
		var e entry
		if err := decode(all[i].value, &e); err != nil {
			return contents{}, err
		}
		if e.Type == "api" || e.Type == "api_key" {
			return contents{}, fmt.Errorf("it holds %w", codexcli.ErrAPIKey)
		}
		if e.Type != "oauth" {
			return contents{}, fmt.Errorf("%w: an entry is of the type %q", ErrMalformed, cleantext.Message(e.Type))
		}
		auth, err := authOf(codexcli.Tokens{Access: e.Access, Refresh: e.Refresh, Account: e.Account})
		return contents{auth, provider, len(all) - 1}, err
	}
}

// A flat login is a file of its own.
type flat struct {
	Type        string `json:"type"`
	ID          string `json:"id_token"`
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	Account     string `json:"account_id"`
	LastRefresh any    `json:"last_refresh"`
}

func parseFlat(data []byte) (contents, error) {
	var f flat
	if err := decode(data, &f); err != nil {
		return contents{}, err
	}
	auth, err := authOf(codexcli.Tokens{ID: f.ID, Access: f.Access, Refresh: f.Refresh, Account: f.Account, LastRefresh: f.LastRefresh})
	return contents{Auth: auth}, err
}

// parseCLIProxy parses one of many files, most of which may be other services' logins.
func parseCLIProxy(data []byte) (contents, error) {
	var f flat
	if err := decode(data, &f); err != nil {
		return contents{}, err
	}
	if f.Type != "codex" {
		return contents{}, fmt.Errorf("it holds %w with ChatGPT", codexcli.ErrNoLogin)
	}
	return parseFlat(data)
}

func authOf(t codexcli.Tokens) (codexcli.Auth, error) {
	auth, err := t.Auth()
	if errors.Is(err, codexcli.ErrMalformed) {
		err = fmt.Errorf("%w: a token has characters in it that no token has", ErrMalformed)
	}
	return auth, err
}

// decode is json.Unmarshal with errors that quote nothing.
func decode(data []byte, into any) error {
	data = cleantext.SkipMark(data)
	err := json.Unmarshal(data, into)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case len(bytes.TrimSpace(data)) == 0:
		return fmt.Errorf("%w: it is empty", ErrMalformed)
	case errors.As(err, &syntax):
		return fmt.Errorf("%w: it is cut off or not JSON (at byte %d of %d)", ErrMalformed, syntax.Offset, len(data))
	case errors.As(err, &kind) && kind.Field != "":
		return fmt.Errorf("%w: %s is of another type", ErrMalformed, kind.Field) // a name that stands in this package
	}
	return fmt.Errorf("%w: it is of another form", ErrMalformed)
}

// A member is one of a JSON object's: data[start:end] is its name and its value.
type member struct {
	name       string
	value      json.RawMessage
	start, end int
}

// members lists those of the object that data is. An object that names one twice is
// refused: which of them a tool reads can't be told.
func members(data []byte) ([]member, error) {
	mark := len(data) - len(cleantext.SkipMark(data))
	var object map[string]json.RawMessage
	if err := decode(data, &object); err != nil {
		return nil, err
	}
	if object == nil {
		return nil, fmt.Errorf("%w: it is of another form", ErrMalformed)
	}
	dec := json.NewDecoder(bytes.NewReader(data[mark:]))
	_, _ = dec.Token() // the brace: the whole was decoded above, so that nothing fails here
	var all []member
	for dec.More() {
		name, _ := dec.Token()
		m := member{name: name.(string)}
		// A name ends where the decoder stands, and begins after the last comma or brace.
		m.start = mark + start(data[mark:], all, mark)
		_ = dec.Decode(&m.value)
		m.end = mark + int(dec.InputOffset())
		all = append(all, m)
	}
	if len(all) != len(object) {
		return nil, fmt.Errorf("%w: a name occurs in it twice", ErrMalformed)
	}
	return all, nil
}

// start is where the name of the next member begins.
func start(text []byte, before []member, mark int) int {
	at := 0
	if n := len(before); n > 0 {
		at = before[n-1].end - mark
	}
	return at + bytes.IndexByte(text[at:], '"')
}

// without is data with the member of that name taken out, and what was taken out as an
// object of its own. Every other byte stays as it was.
func without(data []byte, name string) (rest, taken []byte, err error) {
	all, err := members(data)
	if err != nil {
		return nil, nil, err
	}
	i := slices.IndexFunc(all, func(m member) bool { return m.name == name })
	if i < 0 {
		return nil, nil, fmt.Errorf("it holds %w of %s", codexcli.ErrNoLogin, name)
	}
	from, to := all[i].start, all[i].end
	switch {
	case i+1 < len(all): // the next one takes its place
		to = all[i+1].start
	case i > 0:
		from = all[i-1].end
	}
	taken = slices.Concat([]byte("{\n  "), data[all[i].start:all[i].end], []byte("\n}\n"))
	return slices.Concat(data[:from], data[to:]), taken, nil
}
