package broker

import (
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"codexauth/internal/cleantext"
	"codexauth/internal/monitor"
	"codexauth/openai"
)

// answerClass is what an answer counts as. Only models of the backend's own list
// are told apart: what a client calls a model may be anything.
type answerClass struct{ api, model, ended string }

// tokenKinds are the kinds of tokens that are counted, in the order of stats.tokens.
var tokenKinds = [...]string{"input", "cached", "output", "reasoning"}

// answered counts how a request ended, and keeps it for the audit log.
func (s *Server) answered(r *http.Request, result openai.Result) {
	c := callOf(r.Context())
	c.result.Store(&result)
	if result.API == "" {
		return // a list of models
	}
	class := answerClass{string(result.API), "other", result.Ended}
	if s.lists(result.Model) {
		class.model = result.Model
	}
	s.answers.add(class)
	u := result.Usage
	for i, n := range [len(tokenKinds)]int64{u.Input, u.Cached, u.Output, u.Reasoning} {
		c.stats.tokens[i].Add(max(n, 0))
	}
}

// audit adds what the audit log says about an answer: never a word of it, nor of the
// question.
func (s *Server) audit(attrs []slog.Attr, r *openai.Result) []slog.Attr {
	if r == nil || r.API == "" {
		return attrs
	}
	u := r.Usage
	attrs = append(attrs, slog.String("api", string(r.API)), slog.String("model", s.shownModel(r.Model)), slog.String("ended", r.Ended),
		slog.Int64("input", u.Input), slog.Int64("cached", u.Cached), slog.Int64("output", u.Output), slog.Int64("reasoning", u.Reasoning))
	if len(r.Dropped) > 0 {
		attrs = append(attrs, slog.String("dropped", cleantext.Message(strings.Join(r.Dropped, " "))))
	}
	return attrs
}

// shownModel is a model's name where it can be one.
func (s *Server) shownModel(name string) string {
	if s.lists(name) {
		return name
	}
	return "other"
}

// answerMetrics are those of OpenAI's API.
func (s *Server) answerMetrics(w *monitor.Exposition) {
	all := s.clients()
	w.Family("codexauth_tokens_total", "counter", "Tokens that the backend counted for answers on /v1, by client; cached is part of input, reasoning part of output.")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		for i, kind := range tokenKinds {
			if n := all[name].tokens[i].Load(); n > 0 {
				w.Line("codexauth_tokens_total", float64(n), "client", name, "kind", kind)
			}
		}
	}
	answers := s.answers.all()
	w.Family("codexauth_answers_total", "counter", "Requests to OpenAI's API, by call, model and outcome.")
	for _, a := range slices.SortedFunc(maps.Keys(answers), func(a, b answerClass) int {
		return strings.Compare(a.api+" "+a.model+" "+a.ended, b.api+" "+b.model+" "+b.ended)
	}) {
		w.Line("codexauth_answers_total", float64(answers[a]), "api", a.api, "model", a.model, "ended", a.ended)
	}
	w.One("codexauth_request_bytes", "gauge", "Bytes of large requests that are being read, beyond the share that every request has.", float64(s.bodies.used.Load()))
}
