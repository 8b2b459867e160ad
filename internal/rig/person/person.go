// Package person is somebody who signs in at an authorization server over plain
// HTTP, for tests and rigs.
package person

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// A Person signs in as a browser without a screen would: cookies, forms, redirects.
// Each Person has a browser session of their own.
type Person struct {
	Email string
	// Refuse: answer the consent page with "deny".
	Refuse bool

	client *http.Client
}

// New returns a Person who has not signed in anywhere yet.
func New(email string) *Person {
	jar, _ := cookiejar.New(nil) // documented to return no error
	return &Person{
		Email: email,
		client: &http.Client{
			Jar:     jar,
			Timeout: 30 * time.Second,
			// A server may end an idle connection while a request is on its way.
			Transport: &http.Transport{DisableKeepAlives: true},
			// Each redirect is looked at before it is followed.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// A Page is an answer that a Person got.
type Page struct {
	URL    *url.URL
	Status int
	Header http.Header
	Body   string
}

// maxSteps bounds the redirects and forms of one sign-in.
const maxSteps = 20

// callbackPath is the path of the redirect URIs that the service registers.
const callbackPath = "/auth/callback"

// Approve opens an authorization URL, or a link that leads to one, signs in,
// answers the consent page, and returns the redirect URI to which the server
// then sends the browser, without opening it.
func (p *Person) Approve(start string) (callback string, err error) {
	req, err := http.NewRequest(http.MethodGet, start, nil)
	if err != nil {
		return "", err
	}
	for range maxSteps {
		page, location, err := p.open(req)
		if err != nil {
			return "", err
		}
		switch {
		case location != nil && location.Path == callbackPath:
			return location.String(), nil
		case location != nil:
			req, err = http.NewRequest(http.MethodGet, location.String(), nil)
		case page.Status == http.StatusOK:
			req, err = p.fillIn(page)
		default:
			err = fmt.Errorf("the authorization server answered %d: %s", page.Status, page.Body)
		}
		if err != nil {
			return "", err
		}
	}
	return "", errors.New("the sign-in took too many steps")
}

// Visit opens a URL, follows redirects, and returns all answers in order.
func (p *Person) Visit(rawURL string) (hops []*Page, err error) {
	for range maxSteps {
		req, err := http.NewRequest(http.MethodGet, rawURL, nil)
		if err != nil {
			return nil, err
		}
		page, location, err := p.open(req)
		if err != nil {
			return nil, err
		}
		hops = append(hops, page)
		if location == nil {
			return hops, nil
		}
		rawURL = location.String()
	}
	return nil, errors.New("too many redirects")
}

// open sends one request; location is where it redirects to, if it does.
func (p *Person) open(req *http.Request) (page *Page, location *url.URL, err error) {
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		location, err = resp.Location()
		if err != nil {
			return nil, nil, err
		}
	}
	return &Page{req.URL, resp.StatusCode, resp.Header, string(body)}, location, nil
}

var (
	formAction  = regexp.MustCompile(`<form method="post" action="([^"]+)"`)
	hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)
)

// fillIn answers the form of a login or consent page.
func (p *Person) fillIn(page *Page) (*http.Request, error) {
	found := formAction.FindStringSubmatch(page.Body)
	if found == nil {
		return nil, fmt.Errorf("%s is a page without a form: %s", page.URL.Path, page.Body)
	}
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(page.Body, -1) {
		form.Set(field[1], html.UnescapeString(field[2]))
	}
	switch {
	case strings.Contains(page.Body, `name="email"`):
		form.Set("email", p.Email)
	case p.Refuse:
		form.Set("decision", "deny")
	default:
		form.Set("decision", "allow")
	}
	target, err := page.URL.Parse(html.UnescapeString(found[1]))
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, target.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req, nil
}
