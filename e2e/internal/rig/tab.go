package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"codexauth/internal/rig/program"
)

// StartChromeWith is [StartChrome] with flags of its own for the browser. It
// changes an environment variable, so it is not for tests that run in parallel.
func StartChromeWith(t *testing.T, flags ...string) *Chrome {
	t.Helper()
	browser := os.Getenv("CHROMIUM")
	if browser == "" {
		browser = "chromium"
	}
	script := "#!/bin/sh\nexec " + quote(browser)
	for _, flag := range flags {
		script += " " + quote(flag)
	}
	path := filepath.Join(t.TempDir(), "chromium")
	if err := os.WriteFile(path, []byte(script+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CHROMIUM", path)
	return StartChrome(t)
}

// quote makes s one word of a shell.
func quote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// A Tab is one more tab of a [Chrome]: Do, Get and Requests are about it alone.
type Tab struct {
	*Chrome

	mu   sync.Mutex
	said []string
}

// NewPerson opens a tab in a window that shares no cookies with any other. It
// closes with the test.
func (c *Chrome) NewPerson(t testing.TB) *Tab {
	t.Helper()
	return c.newTab(t, chromedp.WithNewBrowserContext())
}

// NewTab opens another tab of the same window. It closes with the test.
func (tab *Tab) NewTab(t testing.TB) *Tab {
	t.Helper()
	return tab.newTab(t)
}

func (c *Chrome) newTab(t testing.TB, options ...chromedp.ContextOption) *Tab {
	t.Helper()
	ctx, closeTab := chromedp.NewContext(c.ctx, options...)
	t.Cleanup(closeTab)
	tab := &Tab{Chrome: &Chrome{ctx: ctx, abort: closeTab, netLog: c.netLog}}
	if err := tab.listen(); err != nil {
		t.Fatalf("Chromium opens no tab: %v", err)
	}
	if err := chromedp.Listen(ctx, tab.note); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	return tab
}

// note keeps what scripts and violations of a page's policy leave behind. That
// a page was answered with an error status is no news.
func (tab *Tab) note(event any) {
	var said string
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		for _, arg := range e.Args {
			said += string(arg.Value)
		}
	case *runtime.EventExceptionThrown:
		said = "exception: " + e.ExceptionDetails.Text
	case *page.EventJavascriptDialogOpening:
		said = "dialog: " + e.Message
	case *log.EventEntryAdded:
		if e.Entry.Source == log.EntrySourceNetwork {
			return
		}
		said = fmt.Sprintf("%s: %s", e.Entry.Source, e.Entry.Text)
	default:
		return
	}
	tab.mu.Lock()
	defer tab.mu.Unlock()
	tab.said = append(tab.said, said)
}

// Console returns what the pages of the tab have said so far: calls of the
// console, exceptions, dialogs, and violations of a page's policy. It says a
// word of its own there first, so that a deaf ear is noticed.
func (tab *Tab) Console(t testing.TB) []string {
	t.Helper()
	const word = `"can you hear me"`
	Get(t, tab.Chrome, chromedp.Evaluate[any]("console.log("+word+")"))
	for deadline := time.Now().Add(program.Patience); ; time.Sleep(10 * time.Millisecond) {
		tab.mu.Lock()
		said := slices.Clone(tab.said)
		tab.mu.Unlock()
		if i := slices.Index(said, word); i >= 0 {
			return slices.Delete(said, i, i+1)
		}
		if time.Now().After(deadline) {
			t.Fatalf("the console is not heard, only %q", said)
		}
	}
}

// Visit opens an address, whatever becomes of it: that nobody answers there is
// no failure of the test. It returns the browser's own word for that, such as
// net::ERR_CONNECTION_REFUSED, or "".
func (tab *Tab) Visit(t testing.TB, address string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, program.Patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Navigate(address))
	var failed *chromedp.LoadError
	switch {
	case errors.As(err, &failed):
		return failed.ErrorText
	case err != nil:
		t.Fatalf("Chromium: %v", err)
	}
	return ""
}

// Reload starts to load the page again.
func (tab *Tab) Reload(t testing.TB) {
	t.Helper()
	tab.Do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.Reload, page.ReloadParams{})
		return err
	}))
}

// Back presses the back button and returns the address that it leads to.
func (tab *Tab) Back(t testing.TB) string {
	t.Helper()
	history := Get(t, tab.Chrome, chromedp.NavigationEntries())
	if history.CurrentIndex < 1 {
		t.Fatal("there is no way back")
	}
	to := history.Entries[history.CurrentIndex-1]
	tab.Do(t, chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, page.NavigateToHistoryEntry, page.NavigateToHistoryEntryParams{EntryID: to.ID})
		return err
	}))
	return to.URL
}

// Await waits for a page that shows words, and returns all that it shows.
func (tab *Tab) Await(t testing.TB, words string) string {
	t.Helper()
	const text = "document.readyState == 'complete' && document.body ? document.body.innerText : ''"
	var shown string
	for deadline := time.Now().Add(program.Patience); time.Now().Before(deadline); time.Sleep(25 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(tab.ctx, program.Patience)
		now, err := chromedp.Run(ctx, chromedp.Evaluate[string](text))
		cancel()
		if err != nil {
			continue // the page has just been left
		}
		if shown = now; strings.Contains(shown, words) {
			return shown
		}
	}
	t.Fatalf("the browser never shows %q; it shows %q", words, shown)
	return ""
}

// AwaitRequest waits until the tab has requested an address that begins with
// prefix, and returns the address.
func (tab *Tab) AwaitRequest(t testing.TB, prefix string) string {
	t.Helper()
	for deadline := time.Now().Add(program.Patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		for _, requested := range tab.Requests() {
			if strings.HasPrefix(requested, prefix) {
				return requested
			}
		}
	}
	t.Fatalf("the browser never opened %s", prefix)
	return ""
}

// Close closes the tab, as a person does who has seen enough.
func (tab *Tab) Close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, program.Patience)
	defer cancel()
	if err := chromedp.Cancel(ctx); err != nil {
		t.Fatalf("Chromium does not close the tab: %v", err)
	}
}
