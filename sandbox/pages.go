package sandbox

import (
	"crypto/subtle"
	"embed"
	"io"
	"net/http"
	"strings"

	"codexauth/internal/fill"
)

//go:embed pages
var pageFiles embed.FS

// A page is what is shown in one of the files.
type page struct {
	Title  string
	Action string // where the form goes
	CSRF   string
	Error  string
	Issuer string

	Email    string
	UserCode string

	User   User
	Client string
	Scopes []string
	Target string // where the consent sends the browser; "" for a device

	Message string
}

// render shows a page that loads nothing but our style sheet. form-action names
// the redirect URIs too, since browsers apply it to the redirect after a form.
func (s *Server) render(w http.ResponseWriter, status int, name string, p page) {
	p.Issuer = s.issuer
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'; form-action 'self' http://localhost:* http://127.0.0.1:*")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, string(p.html(name))) // a browser that has gone needs no page
}

// pageFile is one of the embedded files: there is no way to read none.
func pageFile(name string) fill.HTML {
	text, _ := pageFiles.ReadFile("pages/" + name + ".html")
	return fill.HTML(text)
}

func (p page) html(name string) fill.HTML {
	var scopes fill.HTML
	for _, scope := range p.Scopes {
		scopes += fill.If(scope, "\n<li><code>{{text}}</code></li>")
	}
	content := fill.In(pageFile(name), map[string]any{
		"action": p.Action, "csrf": p.CSRF, "issuer": p.Issuer, "email": p.Email, "user-code": p.UserCode, "client": p.Client,
		"user-email": p.User.Email, "user-account": p.User.AccountID, "user-plan": p.User.Plan, "scopes": scopes,
		"device":  fill.If(p.UserCode, "<dt>Device code</dt><dd><code>{{text}}</code></dd>\n"),
		"target":  fill.If(p.Target, "<dt>Goes to</dt><dd><code>{{text}}</code></dd>\n"),
		"warning": fill.If(p.UserCode, "<p class=\"hint\">Allow this only if you started the sign-in on that device yourself.</p>\n"),
		"message": fill.If(p.Message, "<p id=\"message\">{{text}}</p>\n"),
	})
	return fill.In(pageFile("layout"), map[string]any{
		"title": p.Title, "issuer": p.Issuer, "content": content,
		"error": fill.If(p.Error, "<p class=\"error\" id=\"error\" role=\"alert\">{{text}}</p>\n"),
	})
}

func (s *Server) errorPage(w http.ResponseWriter, message string) {
	s.render(w, http.StatusBadRequest, "message", page{Title: "That did not work", Error: message})
}

func (s *Server) outOfOrder(w http.ResponseWriter) {
	s.errorPage(w, "This form is out of order. Start again from the program that sent you here.")
}

func (s *Server) handleHome(w http.ResponseWriter, _ *http.Request) {
	s.render(w, http.StatusOK, "home", page{Title: "codexauth sandbox"})
}

func handleStyle(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, pageFiles, "pages/style.css")
}

// newFlow remembers a flow for this browser and returns its CSRF token.
func (s *Server) newFlow(w http.ResponseWriter, r *http.Request, f *flow) (csrf string) {
	if c, err := r.Cookie(s.cookieName()); err == nil && c.Value != "" {
		f.session = c.Value
	} else {
		f.session = s.random.token("")
		http.SetCookie(w, &http.Cookie{
			Name: s.cookieName(), Value: f.session, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
		})
	}
	csrf = s.random.token("")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vault.flows[csrf] = f
	return csrf
}

// cookieName has the port in it, since cookies are shared between ports.
func (s *Server) cookieName() string {
	return "sandbox_" + s.issuer[strings.LastIndex(s.issuer, ":")+1:]
}

// resume finds the flow that a form belongs to; if there is none it answers with
// a page and returns nil.
func (s *Server) resume(w http.ResponseWriter, r *http.Request) (*flow, params, string) {
	p, refused := readParams(w, r)
	if refused != nil {
		s.errorPage(w, "This form is wrong: "+refused.message)
		return nil, nil, ""
	}
	session := ""
	if c, err := r.Cookie(s.cookieName()); err == nil {
		session = c.Value
	}
	csrf := p["csrf"]
	s.mu.Lock()
	f := s.vault.flows[csrf]
	s.mu.Unlock()
	if f == nil || subtle.ConstantTimeCompare([]byte(f.session), []byte(session)) != 1 {
		s.errorPage(w, "This form was used already, or it does not come from this browser. Start again from the program that sent you here.")
		return nil, nil, ""
	}
	return f, p, csrf
}

// finish ends a flow and reports whether it was still open, so that of two
// clicks one counts.
func (s *Server) finish(csrf string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, open := s.vault.flows[csrf]
	delete(s.vault.flows, csrf)
	return open
}
