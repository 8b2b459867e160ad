package httplog_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"codexauth/internal/httplog"
)

type answers func(*http.Request) (*http.Response, error)

func (f answers) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

const secret = "PLANTED-0123456789abcdef0123456789abcdef"

func TestRequestsAreTold(t *testing.T) {
	for name, tt := range map[string]struct {
		answer answers
		want   string
	}{
		"answered": {func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 418, Header: http.Header{"Set-Cookie": {secret}}, Body: io.NopCloser(strings.NewReader(secret))}, nil
		}, "method=POST host=auth.test:8443 path=/oauth/token status=418 took="},
		"failed":   {func(*http.Request) (*http.Response, error) { return nil, errors.New("no route for " + secret) }, `error="no route for [redacted]" took=`},
		"no proxy": {func(*http.Request) (*http.Response, error) { return nil, errors.New(`invalid proxy address "u:pw@x"`) }, "the proxy's address can't be understood"},
	} {
		t.Run(name, func(t *testing.T) {
			var told bytes.Buffer
			log := slog.New(slog.NewTextHandler(&told, &slog.HandlerOptions{Level: slog.LevelDebug}))
			req, err := http.NewRequest(http.MethodPost, "https://u:"+secret+"@auth.test:8443/oauth/token?code="+secret, strings.NewReader(secret))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+secret)
			if resp, err := httplog.Transport(tt.answer, log).RoundTrip(req); err == nil {
				resp.Body.Close()
			}
			if got := told.String(); !strings.Contains(got, tt.want) || strings.Contains(got, secret) || strings.Contains(got, "pw@") {
				t.Errorf("it told %q", got)
			}
		})
	}
	if base := http.DefaultTransport; httplog.Transport(base, nil) != base {
		t.Error("without a log something is put in between")
	}
}
