package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"codexauth/e2e/internal/rig"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// screenshotVariable names a directory for pictures of the pages, for a person
// to look at; none are taken without.
const screenshotVariable = "CODEXAUTH_E2E_SCREENSHOTS"

// measure finds the poorest contrast of a text with its ground (WCAG 2.2, 1.4.3),
// the colour of that ground, and by how much the page is wider than the window.
const measure = `(() => {
	const parts = c => c.match(/[\d.]+/g).map(Number);
	const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
	const luminance = c => {
		const [r, g, b] = parts(c).map(v => linear(v / 255));
		return .2126 * r + .7152 * g + .0722 * b;
	};
	const ground = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (parts(c)[3] !== 0) return c;
		}
		return 'rgb(255, 255, 255)';
	};
	const contrast = e => {
		const [a, b] = [getComputedStyle(e).color, ground(e)].map(luminance);
		return (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
	};
	const texts = [...document.querySelectorAll('h1, p, blockquote, footer')];
	return {
		texts: texts.length,
		contrast: Math.min(...texts.map(contrast)),
		dark: luminance(ground(document.querySelector('main'))) < .2,
		tooWide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
	};
})()`

// wantLegible fails if the page that the tab shows can't be read well, in light
// and dark, in a window and on a phone.
func wantLegible(t *testing.T, tab *rig.Tab, name string) {
	t.Helper()
	for _, scheme := range []string{"light", "dark"} {
		for screen, size := range map[string][2]int64{"window": {1280, 800}, "phone": {390, 844}} {
			tab.Do(t, colours(scheme), chromedp.EmulateViewport(size[0], size[1]))
			got := rig.Get(t, tab.Chrome, chromedp.Evaluate[struct {
				Texts    int     `json:"texts"`
				Contrast float64 `json:"contrast"`
				Dark     bool    `json:"dark"`
				TooWide  int     `json:"tooWide"`
			}](measure))
			if got.Texts < 3 || got.Contrast < 4.5 || got.TooWide > 0 || got.Dark != (scheme == "dark") {
				t.Errorf("%s, %s, %s: %+v", name, scheme, screen, got)
			}
			takePicture(t, tab, name+"-"+scheme+"-"+screen)
		}
	}
	tab.Do(t, chromedp.ResetViewport())
}

// colours has the browser prefer a scheme.
func colours(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
		})
		return err
	})
}

func takePicture(t *testing.T, tab *rig.Tab, name string) {
	t.Helper()
	dir := os.Getenv(screenshotVariable)
	if dir == "" {
		return
	}
	picture := rig.Get(t, tab.Chrome, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o644); err != nil {
		t.Fatal(err)
	}
}
