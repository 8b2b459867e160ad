package codexcli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/oauth"
)

// Why an auth.json can't be imported.
var (
	ErrMalformed      = errors.New("not the auth.json of a Codex CLI")
	ErrAPIKey         = errors.New("an API key and no sign-in with ChatGPT")
	ErrNoLogin        = errors.New("no login")
	ErrNoRefreshToken = errors.New("no refresh token, so that the login can't be kept alive")
)

// Modes of a login in an auth.json.
const (
	modeChatGPT = "chatgpt"
	// modeTokens is for tokens that somebody else keeps fresh: the Codex CLI
	// uses the access token and never asks the authorization server. In the
	// usual mode an empty refresh token would make it send some forty token
	// requests once the access token has expired.
	modeTokens = "chatgptAuthTokens"
)

// An Auth is the login of an auth.json.
type Auth struct {
	// Login is the tokens. Its Issuer and ClientID are empty: whoever can write
	// the file must not choose where a refresh token is sent.
	Login codexauth.Credential
	// Issuer and ClientID are where the file says that the login is from; empty
	// if it does not say.
	Issuer, ClientID string
}

// authJSON is the part of the file that is understood here.
type authJSON struct {
	Mode        *string     `json:"auth_mode"`
	APIKey      *string     `json:"OPENAI_API_KEY"`
	Tokens      *tokensJSON `json:"tokens"`
	LastRefresh any         `json:"last_refresh"` // whatever stands there is no reason to lose a login
}

type tokensJSON struct {
	ID         string      `json:"id_token"`
	Access     string      `json:"access_token"`
	Refresh    string      `json:"refresh_token"`
	AccountID  *looseText  `json:"account_id"`
	Provenance *provenance `json:"oauth_provenance,omitempty"`
}

// looseText is a string that some program may write as a number.
type looseText string

func (t *looseText) UnmarshalJSON(data []byte) error {
	var v any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return err
	}
	switch v := v.(type) {
	case string:
		*t = looseText(v)
	case json.Number:
		*t = looseText(v.String())
	}
	return nil
}

type provenance struct {
	Issuer   string `json:"issuer"`
	ClientID string `json:"client_id"`
}

// ParseAuth reads the login out of an auth.json. The error wraps one of this
// package's and holds nothing of the file but the name of its mode.
func ParseAuth(data []byte) (Auth, error) {
	file, err := decodeAuth(data)
	if err != nil {
		return Auth{}, err
	}
	mode, apiKey := text(file.Mode), text(file.APIKey)
	switch {
	case strings.EqualFold(mode, "apikey"), file.Tokens == nil && apiKey != "":
		return Auth{}, fmt.Errorf("it holds %w", ErrAPIKey)
	case mode == modeTokens:
		return Auth{}, fmt.Errorf("it holds tokens that another program keeps fresh and %w", ErrNoRefreshToken)
	case mode != "" && mode != modeChatGPT: // none at all in old files
		return Auth{}, fmt.Errorf("%w: its auth_mode %q is not known here", ErrMalformed, cleantext.Message(mode))
	case file.Tokens == nil:
		return Auth{}, fmt.Errorf("it holds %w", ErrNoLogin)
	}
	return file.auth()
}

func decodeAuth(data []byte) (authJSON, error) {
	var file authJSON
	data = cleantext.SkipMark(data)
	err := json.Unmarshal(data, &file)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return file, fmt.Errorf("%w: it is empty", ErrMalformed)
	case errors.As(err, &syntax): // in our own words, since JSON errors quote
		return file, fmt.Errorf("%w: it is cut off or not JSON (at byte %d of %d)", ErrMalformed, syntax.Offset, len(data))
	case errors.As(err, &kind):
		return file, fmt.Errorf("%w: %s is of another type", ErrMalformed, orWhole(kind.Field))
	case err != nil:
		return file, ErrMalformed
	}
	return file, nil
}

func orWhole(field string) string {
	if field == "" {
		return "the whole"
	}
	return field // a path of names that stand in this package
}

func (f authJSON) auth() (Auth, error) {
	t := Tokens{ID: f.Tokens.ID, Access: f.Tokens.Access, Refresh: f.Tokens.Refresh, LastRefresh: f.LastRefresh}
	if f.Tokens.AccountID != nil {
		t.Account = string(*f.Tokens.AccountID)
	}
	a, err := t.Auth()
	if err == nil && f.Tokens.Provenance != nil {
		a.Issuer, a.ClientID = f.Tokens.Provenance.Issuer, f.Tokens.Provenance.ClientID
	}
	return a, err
}

// Tokens are a login as a file holds it.
type Tokens struct {
	ID, Access, Refresh string
	Account             string // empty if the file does not say
	LastRefresh         any    // a text, or a number of seconds or milliseconds
}

// Auth is the login of the tokens. The error wraps ErrNoLogin, ErrNoRefreshToken or
// ErrMalformed.
func (t Tokens) Auth() (Auth, error) {
	switch {
	case t.Access == "":
		return Auth{}, fmt.Errorf("it holds %w", ErrNoLogin)
	case t.Refresh == "":
		return Auth{}, fmt.Errorf("it holds %w", ErrNoRefreshToken)
	}
	for _, token := range []string{t.Access, t.Refresh, t.ID} {
		if !isGraphic(token) {
			return Auth{}, fmt.Errorf("%w: a token has characters in it that no token has", ErrMalformed)
		}
	}
	a := Auth{Login: codexauth.Credential{
		AccessToken:  codexauth.NewSecret(t.Access),
		RefreshToken: codexauth.NewSecret(t.Refresh),
		IDToken:      codexauth.NewSecret(t.ID),
		LastRefresh:  t.lastRefresh(),
	}}
	if isGraphic(t.Account) { // it goes into a header
		a.Login.Account.ID = t.Account
	}
	return a, nil
}

func isGraphic(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// lastRefresh is the time that the file tells, if it can be read; the tokens know
// better.
func (t Tokens) lastRefresh() time.Time {
	switch v := t.LastRefresh.(type) {
	case string:
		at, _ := time.Parse(time.RFC3339, v)
		return at
	case float64: // some program writes seconds, or milliseconds
		if v >= 1e11 {
			v /= 1000
		}
		if v > 0 && v < 1e11 {
			return time.Unix(int64(v), 0).UTC()
		}
	}
	return time.Time{}
}

// HoldsLogin reports whether an auth.json holds what somebody would miss if it
// were overwritten: a refresh token, an API key, or something not understood.
func HoldsLogin(data []byte) bool {
	file, err := decodeAuth(data)
	if err != nil {
		return true
	}
	tokens := file.Tokens != nil && (file.Tokens.Refresh != "" || text(file.Mode) != modeTokens)
	known := text(file.Mode) == "" || text(file.Mode) == modeChatGPT || text(file.Mode) == modeTokens
	return tokens || text(file.APIKey) != "" || !known
}

// FormatAuth is the auth.json of c. With a refresh token, the Codex CLI keeps the
// login alive by itself from now on; without, it uses the access token until that
// expires. What is not about a login in old, which may be nil, is kept.
func FormatAuth(c codexauth.Credential, old []byte) ([]byte, error) {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(cleantext.SkipMark(old), &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	t := tokensJSON{ID: c.IDToken.Reveal(), Access: c.AccessToken.Reveal(), Refresh: c.RefreshToken.Reveal()}
	if c.Account.ID != "" {
		t.AccountID = (*looseText)(&c.Account.ID)
	}
	mode := modeTokens
	if t.Refresh != "" {
		mode, t.Provenance = modeChatGPT, &provenance{c.Issuer, c.ClientID}
	}
	if _, err := oauth.ParseClaims(t.ID); err != nil {
		// It must be there, and a JWT, and is read for the account, which the access token
		// tells as well.
		t.ID = t.Access
	}
	if _, there := fields["OPENAI_API_KEY"]; !there {
		fields["OPENAI_API_KEY"] = json.RawMessage("null")
	}
	for name, value := range map[string]any{
		"auth_mode": mode, "tokens": t, "last_refresh": c.LastRefresh.UTC().Format(time.RFC3339Nano),
	} {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[name] = encoded
	}
	data, err := json.MarshalIndent(fields, "", "  ")
	return append(data, '\n'), err
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
