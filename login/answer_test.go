package login

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestParseCallback(t *testing.T) {
	a := testAttempt()
	with := func(rest string) string { return "state=" + a.State + rest }
	for name, c := range map[string]struct {
		query string
		iss   bool // required
		code  string
		err   error
	}{
		"code":                     {query: with("&code=abc"), code: "abc"},
		"more parameters":          {query: with("&code=abc&scope=openid+email&session=1&session=2"), code: "abc"},
		"escaped code":             {query: with("&code=a%2Fb+c"), code: "a/b c"},
		"no state":                 {query: "code=abc", err: errOtherAttempt},
		"empty state":              {query: "code=abc&state=", err: errOtherAttempt},
		"wrong state":              {query: "code=abc&state=wrong", err: errOtherAttempt},
		"state in the wrong case":  {query: "code=abc&state=" + strings.ToUpper(a.State), err: errOtherAttempt},
		"longer state":             {query: with("x&code=abc"), err: errOtherAttempt},
		"error with a wrong state": {query: "error=access_denied&state=wrong", err: errOtherAttempt},
		"error without state":      {query: "error=access_denied", err: errOtherAttempt},
		"state twice":              {query: with("&code=abc&state=" + a.State), err: errRepeated},
		"wrong state second":       {query: with("&code=abc&state=wrong"), err: errRepeated},
		"code twice":               {query: with("&code=abc&code=def"), err: errRepeated},
		"error twice":              {query: with("&error=a&error=b"), err: errRepeated},
		"iss twice":                {query: with("&code=abc&iss=https://auth.example&iss=https://auth.example"), err: errRepeated},
		"bad escape":               {query: with("&code=%zz"), err: errUnreadable},
		"semicolon":                {query: with(";code=abc"), err: errUnreadable},
		"semicolon in code":        {query: with("&code=a;b"), err: errUnreadable},
		"bad escape in iss":        {query: with("&code=abc&iss=%zz"), err: errUnreadable},
		"somebody's semicolon":     {query: "foo=a;b&" + with("&code=abc"), code: "abc"},
		"somebody's percent":       {query: with("&code=abc&utm=50%&%zz"), code: "abc"},
		"second code malformed":    {query: with("&code=abc&code=%zz"), err: errUnreadable},
		"control in code":          {query: with("&code=a%0ab"), err: errUnreadable},
		"not ASCII in code":        {query: with("&code=%C3%A9"), err: errUnreadable},
		"nothing":                  {query: with(""), err: errNoCode},
		"empty code":               {query: with("&code="), err: errNoCode},
		"code and error":           {query: with("&code=abc&error=access_denied"), err: errBothKinds},
		"right iss":                {query: with("&code=abc&iss=https%3A%2F%2Fauth.example"), code: "abc"},
		"right iss with slash":     {query: with("&code=abc&iss=https%3A%2F%2Fauth.example%2F"), code: "abc"},
		"other iss":                {query: with("&code=abc&iss=https%3A%2F%2Fauth.example.evil"), err: errOtherIssuer},
		"error from other iss":     {query: with("&error=access_denied&iss=https%3A%2F%2Fevil.example"), err: errOtherIssuer},
		"required iss":             {query: with("&code=abc&iss=https%3A%2F%2Fauth.example"), iss: true, code: "abc"},
		"required iss missing":     {query: with("&code=abc"), iss: true, err: errNoIssuer},
		"error, iss missing":       {query: with("&error=access_denied"), iss: true, err: errNoIssuer},
		"denied":                   {query: with("&error=access_denied&error_description=no"), err: ErrDenied},
	} {
		t.Run(name, func(t *testing.T) {
			a := a
			a.RequireIss = c.iss
			code, err := a.ParseCallback(c.query)
			if code != c.code || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v; want %q, %v", code, err, c.code, c.err)
			}
		})
	}
	if _, err := (Attempt{}).ParseCallback("code=abc&state="); !errors.Is(err, errOtherAttempt) {
		t.Errorf("an attempt without state accepts an empty one: %v", err)
	}
}

func TestAuthorizationErrorIsSafeToShow(t *testing.T) {
	a := testAttempt()
	secret := strings.Repeat("s3cr3t", 8)
	_, err := a.ParseCallback(url.Values{
		"state": {a.State}, "error": {"server\u202e_error\x1b[31m"}, "error_description": {"line\r\nbreak \x07" + secret},
	}.Encode())
	var refused *AuthorizationError
	if !errors.As(err, &refused) {
		t.Fatalf("got %v", err)
	}
	if errors.Is(err, ErrDenied) {
		t.Error("it matches ErrDenied")
	}
	if refused.Code != "server_error[31m" || refused.Description != "line break [redacted]" {
		t.Errorf("got %q, %q", refused.Code, refused.Description)
	}
}

func TestParsePasted(t *testing.T) {
	a := testAttempt()
	whole := a.RedirectURI + "?code=abc&state=" + a.State
	for name, c := range map[string]struct{ text, code, problem string }{
		"whole":            {text: whole, code: "abc"},
		"white space":      {text: " \t" + whole + " \r\n", code: "abc"},
		"quotes":           {text: `"` + whole + `"`, code: "abc"},
		"angle brackets":   {text: "<" + whole + ">", code: "abc"},
		"wrapped":          {text: whole[:40] + "\n  " + whole[40:70] + "\r\n" + whole[70:], code: "abc"},
		"fragment":         {text: whole + "#_=_", code: "abc"},
		"bare code":        {text: "ac_abcdef", problem: "not the full address"},
		"query alone":      {text: "?code=abc&state=" + a.State, problem: "not the full address"},
		"without scheme":   {text: strings.TrimPrefix(whole, "http://"), code: "abc"},
		"https":            {text: strings.Replace(whole, "http:", "https:", 1), code: "abc"},
		"capitals":         {text: strings.Replace(whole, "http://localhost", "HTTP://Localhost", 1), code: "abc"},
		"other host form":  {text: strings.Replace(whole, "localhost", "127.0.0.1", 1), code: "abc"},
		"IPv6":             {text: strings.Replace(whole, "localhost", "[::1]", 1), code: "abc"},
		"no scheme, IPv4":  {text: strings.Replace(whole, "http://localhost", "127.0.0.1", 1), code: "abc"},
		"other scheme":     {text: strings.Replace(whole, "http:", "ftp:", 1), problem: "not the address"},
		"other host":       {text: strings.Replace(whole, "localhost", "evil.example", 1), problem: "not the address"},
		"longer host":      {text: strings.Replace(whole, "localhost", "localhost.evil.example", 1), problem: "not the address"},
		"query and path":   {text: "/auth/callback?code=abc&state=" + a.State, problem: "not the address"},
		"other port":       {text: strings.Replace(whole, "1455", "1457", 1), problem: "not the address"},
		"other path":       {text: strings.Replace(whole, "callback", "done", 1), problem: "not the address"},
		"path continues":   {text: strings.Replace(whole, "callback", "callback/", 1), problem: "not the address"},
		"user info":        {text: strings.Replace(whole, "localhost", "localhost@evil.example", 1), problem: "not the address"},
		"no query":         {text: a.RedirectURI, problem: "ends before the answer"},
		"other state":      {text: a.RedirectURI + "?code=abc&state=other", problem: "does not belong"},
		"cut off":          {text: whole[:len(whole)-5], problem: "does not belong"},
		"empty":            {text: " '' ", problem: "nothing was pasted"},
		"too long":         {text: whole + strings.Repeat("x", maxPaste), problem: "too long"},
		"denied":           {text: a.RedirectURI + "?error=access_denied&state=" + a.State, problem: "refused the sign-in: access_denied"},
		"denied elsewhere": {text: a.RedirectURI + "?error=access_denied&state=other", problem: "does not belong"},
	} {
		t.Run(name, func(t *testing.T) {
			code, err := a.ParsePasted(c.text)
			if code != c.code || (err == nil) != (c.problem == "") {
				t.Fatalf("got %q, %v", code, err)
			}
			if err != nil {
				mustContain(t, err.Error(), c.problem)
			}
		})
	}
	if _, err := a.ParsePasted(a.RedirectURI + "?error=access_denied&state=" + a.State); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}
}

func FuzzCallback(f *testing.F) {
	a := testAttempt()
	for _, seed := range []string{
		"", "code=abc", "state=" + a.State, "code=abc&state=" + a.State, "code=a&code=b&state=" + a.State,
		"code=abc&state=" + a.State + "&state=x", "error=access_denied&error_description=no%00&state=" + a.State,
		"code=abc&iss=https://auth.example&state=" + a.State, "code=%zz&state=" + a.State, ";&=%", "state=%72" + a.State[1:] + "&code=+",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		code, err := a.ParseCallback(query)
		checkAnswer(t, a, query, code, err)
	})
}

func FuzzPaste(f *testing.F) {
	a := testAttempt()
	for _, seed := range []string{
		"", "abc", a.RedirectURI, a.RedirectURI + "?code=abc&state=" + a.State, " '" + a.RedirectURI + "?code=abc\n&state=" + a.State + "'",
		"http://127.0.0.1:1455/auth/callback?code=abc&state=" + a.State, a.RedirectURI + "?error=x&state=" + a.State + "#f",
		"\x1b[200~" + a.RedirectURI, "https://auth.example/oauth/authorize?state=" + a.State, "\xff\xfe?",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		code, err := a.ParsePasted(text)
		if code != "" && (len(text) > maxPaste || !strings.Contains(withoutSpace(text), ":1455/auth/callback?")) {
			t.Errorf("%q was accepted", text)
		}
		_, query, _ := strings.Cut(withoutSpace(text), "?")
		query, _, _ = strings.Cut(query, "#")
		checkAnswer(t, a, strings.TrimRight(query, "\"'`<>"), code, err)
	})
}

// checkAnswer judges a result by rules of its own: a code or an error; an answer
// of either kind only with the one right state; a rejection in our words only.
func checkAnswer(t *testing.T, a Attempt, query, code string, err error) {
	t.Helper()
	if (code == "") == (err == nil) {
		t.Fatalf("code %q and error %v", code, err)
	}
	var r rejection
	if errors.As(err, &r) {
		return
	}
	states := 0
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, _ = url.QueryUnescape(name)
		value, _ = url.QueryUnescape(value)
		switch {
		case name == "state" && value == a.State:
			states++
		case name == "state":
			t.Errorf("accepted with state %q", value)
		case name == "iss" && value != "" && strings.TrimSuffix(value, "/") != a.Issuer:
			t.Errorf("accepted with issuer %q", value)
		}
	}
	if states != 1 {
		t.Errorf("accepted with %d states: %q", states, query)
	}
	if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
		t.Errorf("control characters in %q", err)
	}
}
