package demo

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Consent plays a person with a browser who signs in at the sandbox: it opens
// the address, fills in both forms and follows the redirects to the end. The
// person's decision is "allow" or "deny".
func Consent(ctx context.Context, start, decision string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return err
	}
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second}
	at, err := open(ctx, browser, http.MethodGet, start, nil)
	if err != nil {
		return err
	}
	for _, answer := range []url.Values{
		{"email": {"dev@sandbox.test"}},
		{"decision": {decision}},
	} {
		if at, err = at.submit(ctx, browser, answer); err != nil {
			return err
		}
	}
	return nil
}

// shown is a page that the browser ended at.
type shown struct {
	at   *url.URL
	html string
}

func open(ctx context.Context, browser *http.Client, method, address string, form url.Values) (shown, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return shown{}, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := browser.Do(req)
	if err != nil {
		// Its text would repeat the URL, and with it the authorization code.
		var inURL *url.Error
		if errors.As(err, &inURL) {
			err = inURL.Err
		}
		return shown{}, err
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return shown{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return shown{}, fmt.Errorf("%s answered %d", resp.Request.URL.Path, resp.StatusCode)
	}
	return shown{resp.Request.URL, string(page)}, nil
}

// submit sends the page's form with the person's answer.
func (s shown) submit(ctx context.Context, browser *http.Client, answer url.Values) (shown, error) {
	_, form, found := strings.Cut(s.html, "<form ")
	if !found {
		return shown{}, fmt.Errorf("there is no form at %s", s.at.Path)
	}
	target, err := s.at.Parse(attribute(form, "action"))
	if err != nil {
		return shown{}, err
	}
	_, hidden, _ := strings.Cut(form, `name="csrf"`)
	answer.Set("csrf", attribute(hidden, "value"))
	return open(ctx, browser, http.MethodPost, target.String(), answer)
}

// attribute returns the value of the first attribute of that name.
func attribute(markup, name string) string {
	_, rest, _ := strings.Cut(markup, name+`="`)
	value, _, _ := strings.Cut(rest, `"`)
	return html.UnescapeString(value)
}
