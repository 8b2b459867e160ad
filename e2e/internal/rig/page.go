package rig

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"codexauth/internal/rig/program"

	"github.com/chromedp/chromedp"
)

// A Page is a running `codexauth serve open`.
type Page struct {
	Link string

	server *program.Server
}

// OpenPage runs `codexauth serve open` with these flags, without a browser; it ends
// with the test.
func (c *CLI) OpenPage(t testing.TB, flags ...string) *Page {
	t.Helper()
	var ready struct{ Link string }
	server := c.serve(t, &ready, append([]string{"serve", "open", "--json"}, flags...)...)
	return &Page{ready.Link, server}
}

// Origin is that of the link.
func (p *Page) Origin() string {
	origin, _, _ := strings.Cut(p.Link, "/open/")
	return origin
}

// Log is what the command has said so far.
func (p *Page) Log() string { return p.server.Log.String() }

// Stop ends the command.
func (p *Page) Stop() { p.server.Stop() }

// Inaccessible lists what the page that the tab shows breaks of axe's rules, those
// of WCAG 2.2 AA and its good practices.
func (tab *Tab) Inaccessible(t testing.TB) []string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join(moduleDir(), "axe", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		unavailable(t, "axe-core is not installed; e2e/run.sh installs it (%v)", err)
	}
	Get(t, tab.Chrome, chromedp.Evaluate[any](string(source)+"; 0"))
	const run = `axe.run().then(r => JSON.stringify({passes: r.passes.length, broken: r.violations.concat(r.incomplete).map(v =>
		v.id + ': ' + v.help + ': ' + v.nodes.map(n => n.target + ' ' + n.failureSummary).join('; '))}))`
	var found struct {
		Passes int
		Broken []string
	}
	if err := json.Unmarshal([]byte(Get(t, tab.Chrome, chromedp.Evaluate[string](run, chromedp.EvalAwaitPromise))), &found); err != nil {
		t.Fatal(err)
	}
	if found.Passes < 15 {
		t.Errorf("axe found only %d rules that apply", found.Passes)
	}
	return found.Broken
}
