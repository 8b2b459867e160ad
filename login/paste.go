package login

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"
)

const (
	maxPaste    = 8 << 10 // bytes of one pasted address
	maxPasted   = 1 << 20 // bytes read in all: a pipe may never end
	maxTries    = 20      // pasted texts looked at
	pasteSettle = 150 * time.Millisecond
)

// ParsePasted reads the address that a browser ended at, as a person copied it,
// and returns its authorization code. White space (a terminal wraps long lines)
// and quotes around it are dropped, and browsers hide or change the scheme; beyond
// that it must be this attempt's redirect URI, by any name of this machine: the
// state tells whose answer it is. Errors are as of [Attempt.ParseCallback], and say
// what to paste instead.
func (a Attempt) ParsePasted(text string) (code string, err error) {
	if len(text) > maxPaste {
		return "", errPasteLong
	}
	text = strings.Trim(withoutSpace(text), "\"'`<>")
	if text == "" {
		return "", errPasteEmpty
	}
	address, _, _ := strings.Cut(text, "#")
	base, query, hasQuery := strings.Cut(address, "?")
	switch {
	case !strings.Contains(base, "/"):
		return "", a.pasteAll("that is not the full address")
	case canonical(base) != canonical(a.RedirectURI):
		return "", a.pasteAll("that is not the address that this sign-in ends at")
	case !hasQuery:
		return "", a.pasteAll("that address ends before the answer")
	}
	return a.ParseCallback(query)
}

func (a Attempt) pasteAll(problem string) error {
	return rejection(fmt.Sprintf("%s; paste everything in the browser's address bar (it starts with %s?)", problem, a.RedirectURI))
}

// canonical is an address without its scheme, and with one name for this machine.
func canonical(address string) string {
	address = withoutScheme(address)
	for _, name := range []string{"127.0.0.1:", "[::1]:"} {
		if rest, ok := strings.CutPrefix(address, name); ok {
			return "localhost:" + rest
		}
	}
	if len(address) >= 9 && strings.EqualFold(address[:9], "localhost") {
		return "localhost" + address[9:]
	}
	return address
}

func withoutScheme(address string) string {
	if scheme, rest, ok := strings.Cut(address, "://"); ok && (strings.EqualFold(scheme, "http") || strings.EqualFold(scheme, "https")) {
		return rest
	}
	return address
}

func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
}

// readLines sends the lines of r until it ends or stop is closed; of a line
// that is too long it sends as much as shows that. A nil r has no lines, and is
// never at its end. Only a Read that blocks can outlive stop.
func readLines(stop <-chan struct{}, r io.Reader) <-chan string {
	if r == nil {
		return nil
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		br := bufio.NewReaderSize(io.LimitReader(r, maxPasted), maxPaste+1)
		for tail := false; ; {
			line, more, err := br.ReadLine()
			if err != nil {
				return
			}
			if !tail {
				select {
				case lines <- string(line):
				case <-stop:
					return
				}
			}
			tail = more
		}
	}()
	return lines
}

// A pasteBuffer puts lines that arrived together back into the texts that were
// pasted: an address that was copied with line breaks in it arrives as several
// lines, and its first may hold the state and half of the code.
type pasteBuffer struct {
	texts []string
	taken int
}

func (p *pasteBuffer) add(line string) {
	if strings.TrimSpace(line) == "" {
		return
	}
	if last := len(p.texts) - 1; last >= 0 && isAddress(p.texts[last]) && !isAddress(line) {
		if len(p.texts[last]) <= maxPaste {
			p.texts[last] += line
		}
		return
	}
	if p.taken+len(p.texts) < maxTries {
		p.texts = append(p.texts, line)
	}
}

// take returns the texts since the last take.
func (p *pasteBuffer) take() []string {
	texts := p.texts
	p.taken, p.texts = p.taken+len(texts), nil
	return texts
}

// exhausted: that many tries are no person's.
func (p *pasteBuffer) exhausted() bool { return p.taken >= maxTries }

func isAddress(line string) bool {
	line = strings.TrimLeft(line, " \t\"'`<")
	return withoutScheme(line) != line || strings.HasPrefix(canonical(line), "localhost:")
}

func alreadyPassed() <-chan time.Time { return time.After(0) }
