package login

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"codexauth/internal/cleantext"
	"codexauth/internal/fill"
)

//go:embed pages/page.html
var pageHTML string

//go:embed pages/style.css
var styleCSS string

// pages writes what the browser shows. Nothing in a page is loaded from
// anywhere, and no page holds a code, a state or a token.
type pages struct {
	policy string // Content-Security-Policy
}

// page is one page. Its texts are shown escaped.
type page struct {
	Mood    string // good, bad or wait: colour and sign
	Heading string
	Text    string
	Detail  string // words from elsewhere, cleaned; may be empty
	Hint    string // what to do now
	Refresh bool   // ask again in a second
}

// sign is what is drawn for a mood.
func sign(mood string) string {
	switch mood {
	case "good":
		return "M14.5 24.5l6.5 6.5 12.5-13.5"
	case "bad":
		return "M24 13.5v13M24 33.4v.2"
	}
	return "M24 13v11l7 4.5"
}

func newPages() pages {
	sum := sha256.Sum256([]byte(styleCSS))
	return pages{
		policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
			"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	}
}

// setHeaders is for every answer, a redirect too: the browser must not pass on
// the address that it came from, which holds code and state, nor keep it.
func (p pages) setHeaders(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
}

func (p pages) write(w http.ResponseWriter, status int, content page) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, string(content.html()))
}

func (p page) html() fill.HTML {
	var refresh fill.HTML
	if p.Refresh {
		refresh = "\n<meta http-equiv=\"refresh\" content=\"1\">"
	}
	return fill.In(fill.HTML(pageHTML), map[string]any{
		"refresh": refresh, "style": fill.HTML(styleCSS), "mood": p.Mood, "sign": sign(p.Mood),
		"heading": p.Heading, "text": p.Text, "hint": p.Hint,
		"detail": fill.If(p.Detail, "\n<blockquote dir=\"auto\">{{text}}</blockquote>"),
	})
}

const (
	closeTab  = "You can close this tab and return to the terminal."
	tryAgain  = "You can close this tab and return to the terminal. To try again, start the sign-in there once more."
	stillOpen = "The sign-in in the terminal is still waiting."
)

// outcomePage tells how the sign-in ended.
func outcomePage(result error) page {
	var refused *AuthorizationError
	switch {
	case result == nil:
		return page{Mood: "good", Heading: "You are signed in", Text: "Everything worked; there is nothing left to do here.", Hint: closeTab}
	case errors.Is(result, ErrDenied) && errors.As(result, &refused):
		return page{Mood: "bad", Heading: "Access was not granted",
			Text: "You are not signed in, and nothing was changed.", Detail: refused.Description, Hint: tryAgain}
	case errors.As(result, &refused):
		return page{Mood: "bad", Heading: "The sign-in was refused",
			Text: "You are not signed in. The authorization server answered:", Detail: serverWords(refused), Hint: tryAgain}
	default:
		return page{Mood: "bad", Heading: "The sign-in failed",
			Text: "Access was granted, but the sign-in could not be completed:", Detail: cleantext.Message(result.Error()), Hint: tryAgain}
	}
}

func serverWords(e *AuthorizationError) string {
	if e.Description == "" {
		return e.Code
	}
	return e.Code + ": " + e.Description
}

func waitPage() page {
	return page{Mood: "wait", Heading: "Finishing the sign-in", Text: "This page shows the outcome in a moment.", Refresh: true,
		Hint: "If it does not, the terminal does."}
}

// rejectedPage is for an answer that does not count.
func rejectedPage(reason error, over bool) page {
	hint := stillOpen
	if over {
		hint = closeTab
	}
	return page{Mood: "bad", Heading: "This answer was not accepted", Text: sentence(reason.Error()), Hint: hint}
}

func linkUsedPage() page {
	return page{Mood: "bad", Heading: "This link was already used",
		Text: "It starts a sign-in once, and somebody has opened it before.",
		Hint: "If that was not you, cancel the sign-in in the terminal and start it again. Otherwise open the address that the terminal shows."}
}

// strangerPage is for a program of another user. It may still be the person's own
// browser, which then has the whole answer in its address bar.
func strangerPage() page {
	return page{Mood: "bad", Heading: "This is another user's sign-in", Text: "It answers only the programs of the user who started it.",
		Hint: "If that was you, use a browser of that user, or paste the address of this page in the terminal."}
}

func sentence(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
