package broker

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// lineOf is the line of the audit log about a request.
func (r *rig) lineOf(id string) string {
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if strings.Contains(line, "msg=request ") && strings.Contains(line, " id="+id+" ") {
			return line
		}
	}
	return ""
}

// Whoever has the whole of an answer finds its line in the log: a broker that is
// killed then has told about it.
func TestAuditLineIsWrittenBeforeTheAnswerEnds(t *testing.T) {
	big := strings.Repeat("x", 300_000)
	r := newRig(t, func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		if strings.HasSuffix(req.URL.Path, "/declared") {
			w.Header().Set("Content-Length", strconv.Itoa(len(big)))
		}
		w.Header().Set(requestIDHeader, "the backend's")
		for i := 0; i < len(big); i += 50_000 {
			_, _ = io.WriteString(w, big[i:i+50_000])
			_ = http.NewResponseController(w).Flush()
		}
	})
	for _, path := range []string{"/backend-api/codex/declared", "/backend-api/codex/streamed", "/token", "/metrics", "/nothing"} {
		resp := r.send(r.request("POST", path, `{"not_sha256":""}`, "Authorization", "Bearer "+r.lease))
		buffer, n := make([]byte, 4096), 0
		for resp.ContentLength < 0 || int64(n) < resp.ContentLength { // not a byte more: what is there is enough
			k, err := resp.Body.Read(buffer)
			if n += k; err != nil {
				break
			}
		}
		ids := resp.Header[http.CanonicalHeaderKey(requestIDHeader)]
		if len(ids) != 1 {
			t.Fatalf("%s: ids %q", path, ids)
		}
		line := r.lineOf(ids[0])
		if !strings.Contains(line, fmt.Sprintf(" in=%d out=%d", len(`{"not_sha256":""}`), n)) && resp.StatusCode == 200 {
			t.Errorf("%s: %d bytes, and %q", path, n, line)
		}
		if !regexp.MustCompile(`peer=127\.0\.0\.1:\d+ first=\S+s in=`).MatchString(line) {
			t.Errorf("%s: %q", path, line)
		}
	}
	r.server.Close()
	if n := strings.Count(r.log.String(), "msg=request "); n != 5 {
		t.Errorf("%d lines about 5 requests", n)
	}
}

// What a client sends can't make a line of its own, nor anything but text of one.
func TestAuditLinesCantBeForged(t *testing.T) {
	r := newRig(t, nil)
	const forged = "msg=request who=root"
	r.ask("POST", "/v1/responses", `{"model":"x\n`+forged+`\u001b[31m","input":"y\n`+forged+`"}`)
	r.ask("GET", "/v1/models/%0A"+strings.ReplaceAll(forged, " ", "%20"), "")
	r.ask("GET", "/v1/models", "", requestIDHeader, "x\tmsg=request", "X-Request-Id", forged, "User-Agent", forged)
	r.ask("msg-request", "/v1/models", "")
	r.raw("GET /v1/models?\x1b]0;x\a HTTP/1.1\r\nHost: x\r\n\r\n")
	r.server.Close()
	log := r.log.String()
	if strings.Contains(log, forged) || strings.ContainsFunc(log, func(c rune) bool { return c < ' ' && c != '\n' || c == 0x7f }) {
		t.Errorf("%s", log)
	}
}

// Whoever is refused again and again is reported once an hour, by name, with what to do.
func TestDenialsAreTold(t *testing.T) {
	r := newRig(t, nil)
	for range 3 * denialsTold {
		r.ask("POST", "/token", "")
		r.ask("GET", "/v1/models", "", "Authorization", "Bearer wrong")
	}
	r.server.Close()
	var told []string
	for line := range strings.SplitSeq(r.log.String(), "\n") {
		if strings.Contains(line, "refused repeatedly") {
			told = append(told, line)
		}
	}
	all := strings.Join(told, "\n")
	if len(told) != 2 || !strings.Contains(all, `who="key plain" code=lease_refused times=20`) || !strings.Contains(all, "who=unknown code=unauthorized times=20") ||
		strings.Count(all, "remedy=") != 2 {
		t.Errorf("told %q", told)
	}
}

func TestDenialsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d denials
		told := func(n int, every time.Duration) (times int) {
			for range n {
				if d.count("x", time.Now()) > 0 {
					times++
				}
				time.Sleep(every)
			}
			return times
		}
		for i, want := range []struct {
			n     int
			every time.Duration
			told  int
		}{
			{denialsTold - 1, time.Second, 0}, // a client that errs
			{100, time.Minute, 0},             // now and then
			{600, time.Second, 1},             // a program that loops
			{600, time.Second, 0},             // within the hour
			{3600, time.Second, 1},
		} {
			time.Sleep(denialsWithin + 1)
			if got := told(want.n, want.every); got != want.told {
				t.Errorf("%d: told %d times, want %d", i, got, want.told)
			}
		}
	})
}
