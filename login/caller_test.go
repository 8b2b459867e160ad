package login

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"codexauth/internal/caller"
)

// callBy is ask by a caller of a kind.
func (s *server) callBy(who caller.Who, target string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Host = "localhost:1455"
	r.Header.Set("X-Caller", string(rune('0'+who)))
	w := httptest.NewRecorder()
	s.handle(w, r)
	return w
}

func linkedServer(emit func(Event)) (s *server, link, good string) {
	s = testServer(emit)
	s.linked = true
	s.from = func(r *http.Request) (caller.Who, string) {
		return caller.Who(r.Header.Get("X-Caller")[0] - '0'), "4711"
	}
	_, link, _ = strings.Cut(s.startURL(), "1455")
	return s, link, "/auth/callback?code=abc&state=" + s.attempt.State
}

// Another user who reads the link in the process list can use neither it nor what
// it leads to, and the person's own browser still can.
func TestAnotherUserCantTakePart(t *testing.T) {
	var told []string
	s, link, good := linkedServer(func(e Event) { told = append(told, e.(Rejected).Err.Error()) })
	for range 2 {
		for _, target := range []string{link, good, strings.Replace(good, "code", "error", 1)} {
			if w := s.callBy(caller.Stranger, target); w.Code != http.StatusForbidden || w.Header().Get("Location") != "" || s.answered.Load() {
				t.Errorf("%s: status %d", target, w.Code)
			}
		}
	}
	if len(told) != 1 || !strings.Contains(told[0], "4711") {
		t.Errorf("told %q", told)
	}
	if w := s.callBy(caller.Ours, link); w.Header().Get("Location") != s.authorize {
		t.Errorf("the person's own browser: status %d", w.Code)
	}
	if w := s.callBy(caller.Ours, good); w.Header().Get("Location") != donePath || !s.answered.Load() {
		t.Errorf("the person's own answer: status %d", w.Code)
	}
}

// Where nobody was given a link, nobody else can know the state, and whoever's
// program forwards the port may bring the answer.
func TestForwardedPortWithoutALink(t *testing.T) {
	s, _, good := linkedServer(nil)
	s.linked = false
	if w := s.callBy(caller.Stranger, good); w.Header().Get("Location") != donePath || !s.answered.Load() {
		t.Errorf("status %d", w.Code)
	}
}

// Where the system does not tell callers apart, an answer counts once the link has
// been used by one alone for some seconds, and a second use ends the sign-in.
func TestLinkUsedTwiceByWhoeverItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, link, good := linkedServer(nil)
		began := time.Now()
		s.callBy(caller.Untold, link)
		if w := s.callBy(caller.Untold, good); w.Header().Get("Location") != donePath || time.Since(began) != linkSettle {
			t.Errorf("status %d after %v", w.Code, time.Since(began))
		}
		if a := <-s.answers; a.err != nil || a.code != "abc" {
			t.Errorf("%+v", a)
		}

		s, link, good = linkedServer(nil)
		s.callBy(caller.Untold, link) // somebody else
		go s.callBy(caller.Untold, good)
		time.Sleep(linkSettle - time.Millisecond)
		if w := s.callBy(caller.Untold, link); w.Code != http.StatusGone { // the person's browser
			t.Errorf("status %d", w.Code)
		}
		if a := <-s.answers; !errors.Is(a.err, errLinkTwice) {
			t.Errorf("%+v", a)
		}
		time.Sleep(time.Minute)

		s, link, good = linkedServer(nil)
		s.callBy(caller.Untold, link)
		go s.callBy(caller.Untold, good)
		synctest.Wait()
		s.close() // by Ctrl-C, say: nobody is left waiting
		synctest.Wait()
		if s.answered.Load() {
			t.Error("an answer after the end")
		}

		s, _, good = linkedServer(nil)
		began = time.Now()
		if s.callBy(caller.Untold, good); !s.answered.Load() || time.Since(began) != 0 {
			t.Error("who opened the printed address has to wait")
		}
	})
}
