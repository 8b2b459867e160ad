package login

import (
	"context"
	"errors"
	"io"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"

	"codexauth"
)

func TestPasteBuffer(t *testing.T) {
	for name, c := range map[string]struct{ lines, want []string }{
		"one":           {[]string{"http://a?code"}, []string{"http://a?code"}},
		"wrapped":       {[]string{"http://a?state=x&co", "de=1", "23"}, []string{"http://a?state=x&code=123"}},
		"blank between": {[]string{"http://a?st", "", "  ", "ate"}, []string{"http://a?state"}},
		"two":           {[]string{"http://a", "https://b", "c"}, []string{"http://a", "https://bc"}},
		"quoted":        {[]string{"junk", " 'http://a", "b'"}, []string{"junk", " 'http://ab'"}},
		"no scheme":     {[]string{"localhost:1455/a", "b", "127.0.0.1:1455/a"}, []string{"localhost:1455/ab", "127.0.0.1:1455/a"}},
		"junk":          {[]string{"x", "y"}, []string{"x", "y"}},
		"blank":         {[]string{"", " "}, nil},
	} {
		var p pasteBuffer
		for _, line := range c.lines {
			p.add(line)
		}
		if got := p.take(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestPasteBufferIsBounded(t *testing.T) {
	var p pasteBuffer
	p.add("http://a")
	for range 100_000 {
		p.add("xxxxxxxxxx")
	}
	if n := len(p.take()[0]); n > maxPaste+10 {
		t.Errorf("%d bytes of one text are kept", n)
	}
	for range 100 {
		p.add("junk")
	}
	if n := len(p.take()); n != maxTries-1 || !p.exhausted() {
		t.Errorf("%d further tries, exhausted %v", n, p.exhausted())
	}
}

func TestReadLinesCutsLongOnes(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	lines := readLines(stop, strings.NewReader(strings.Repeat("x", 5*maxPaste)+"\nnext\nlast"))
	var got []int
	for line := range lines {
		got = append(got, len(line))
	}
	if want := []int{maxPaste + 1, 4, 4}; !reflect.DeepEqual(got, want) {
		t.Errorf("lengths %v, want %v", got, want)
	}
}

// endless is a pipe that nobody closes, full of one byte.
type endless struct{ read atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	clear(p)
	return len(p), nil
}

func TestReadLinesEnds(t *testing.T) {
	var e endless
	for range readLines(nil, &e) {
	}
	if n := e.read.Load(); n > maxPasted {
		t.Errorf("%d bytes were read", n)
	}
}

func TestPasteSignsIn(t *testing.T) {
	noLeak(t)
	r, w := io.Pipe()
	defer w.Close()
	var grant codexauth.Grant
	f := begin(t, t.Context(), &Browser{Paste: r}, func(_ context.Context, g codexauth.Grant) error {
		grant = g
		return nil
	})
	for _, c := range []struct{ text, problem string }{
		{"\n", ""}, // told nobody: the next event is about the next text
		{"pasted-code-alone\n", "not the full address"},
		{f.callback("code=pasted-code&state=other") + "\n", "does not belong"},
		{strings.Repeat("x", maxPaste+1) + "\n", "too long"},
	} {
		io.WriteString(w, c.text)
		if c.problem == "" {
			continue
		}
		e := f.rejected()
		mustContain(t, e.Err.Error(), c.problem)
		mustNotContain(t, e.Err.Error(), "pasted-code")
		if !e.Pasted {
			t.Errorf("%v is not marked as pasted", e)
		}
	}
	whole := "'" + f.right("pasted-code") + "'"
	io.WriteString(w, whole[:50]+"\n"+whole[50:80]+"\n"+whole[80:]+"\n")
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	if grant.Code != "pasted-code" || grant.RedirectURI != f.ready.RedirectURI || grant.Verifier == "" {
		t.Errorf("got code %q for %q, verifier of %d characters", grant.Code, grant.RedirectURI, len(grant.Verifier))
	}
}

func TestPastedErrorEndsTheSignIn(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	f := begin(t, t.Context(), &Browser{Paste: r}, accept)
	io.WriteString(w, f.callback("error=access_denied&state=other")+"\n")
	f.rejected()
	io.WriteString(w, f.callback("error=access_denied&state="+f.state)+"\n")
	if err := f.wait(); !errors.Is(err, ErrDenied) {
		t.Errorf("got %v, want ErrDenied", err)
	}
}

// The end of the input is not the end of the sign-in, and what came just
// before it counts.
func TestPasteEnds(t *testing.T) {
	noLeak(t)
	f := begin(t, t.Context(), &Browser{Paste: strings.NewReader("no newline")}, accept)
	mustContain(t, f.rejected().Err.Error(), "not the full address")
	browse(t, f.right("abc"))
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
}

func TestBlockedPasteOutlivesNothingElse(t *testing.T) {
	r, w := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	noLeak(t)
	f := begin(t, ctx, &Browser{Paste: r}, accept)
	cancel()
	if err := f.wait(); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	io.WriteString(w, "what unblocks the Read\n")
}

// A program that writes to the prompt for ever is no person.
func TestPasteGivesUpOnNoise(t *testing.T) {
	noLeak(t)
	f := begin(t, t.Context(), &Browser{Paste: strings.NewReader(strings.Repeat("noise\n", 1000) + "\n")}, accept)
	for range maxTries {
		f.rejected()
	}
	browse(t, f.right("abc"))
	if err := f.wait(); err != nil {
		t.Fatal(err)
	}
	for len(f.events) > 0 {
		t.Errorf("told %v", <-f.events)
	}
}
