// Package ui is how commands talk to people, and to programs.
package ui

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"codexauth/internal/cleantext"
)

// The rules of talking to people: the answer goes to standard output, and
// whatever else there is to say to standard error. Nothing asks, and nothing
// shows progress, unless somebody is there to see it. Nothing that comes from
// elsewhere reaches a terminal with control characters in it.

// A Terminal is where a command talks to people, and to programs.
type Terminal struct {
	Stdin, Stdout, Stderr *os.File

	NoColor    bool
	AsksNobody bool // this command puts no question to a person
	// Signals returns a context that a signal ends, from the call on; nil means none.
	Signals func() context.Context

	typing atomic.Bool // a person types an answer
}

// IsTerminal reports whether f is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// TextWidth is how wide a text may be for whoever reads f: as wide as the terminal,
// as long as lines can be read with ease.
func TextWidth(f *os.File) int {
	const usual, most, least = 80, 100, 20
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return usual
	}
	return max(least, min(width, most))
}

// CanAsk reports whether a person is there to answer. Nobody answers a job in the
// background: the system would stop it as it begins to read.
func (t *Terminal) CanAsk() bool {
	return !t.AsksNobody && IsTerminal(t.Stdin) && IsTerminal(t.Stderr) && inForeground(t.Stdin)
}

// Say tells the person something.
func (t *Terminal) Say(format string, args ...any) {
	fmt.Fprintf(t.Stderr, format+"\n", args...)
}

// Print writes the answer.
func (t *Terminal) Print(text string) error {
	if _, err := io.WriteString(t.Stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// PrintJSON writes the answer as one line of JSON.
func (t *Terminal) PrintJSON(v any) error {
	line, err := JSONLine(v)
	if err != nil {
		return err
	}
	return t.Print(line)
}

// JSONLine is v as one line of JSON that any terminal shows as what it is.
func JSONLine(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return cleantext.JSON(b.String()), nil
}

// PrintTable writes rows as aligned columns.
func (t *Terminal) PrintTable(rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // a strings.Builder never fails
	return t.Print(b.String())
}

// Confirm asks a yes-or-no question whose default is no. Its error is
// ErrDeclined for a no.
func (t *Terminal) Confirm(ctx context.Context, question string) error {
	yes, err := t.Ask(ctx, question, false)
	if err == nil && !yes {
		err = ErrDeclined
	}
	return err
}

// Ask asks a yes-or-no question. The Enter key alone means preset; anything but a
// yes or a no, and the end of the input, mean no.
func (t *Terminal) Ask(ctx context.Context, question string, preset bool) (bool, error) {
	t.typing.Store(true)
	defer t.typing.Store(false)
	if t.Signals != nil {
		t.Signals() // end ctx from now on
	}
	choices := "[y/N]"
	if preset {
		choices = "[Y/n]"
	}
	fmt.Fprintf(t.Stderr, "%s %s ", question, choices)
	type answer struct {
		line  string
		ended bool
	}
	answered := make(chan answer, 1)
	go func() { // a read of a terminal can't be ended
		line, ended := readLine(t.Stdin)
		answered <- answer{line, ended}
	}()
	select {
	case <-ctx.Done():
		t.Say("")
		return false, context.Cause(ctx)
	case a := <-answered:
		switch strings.ToLower(strings.TrimSpace(a.line)) {
		case "y", "yes":
			return true, nil
		case "":
			return preset && !a.ended, nil
		}
		return false, nil
	}
}

// ErrDeclined is a person's no.
var ErrDeclined = errors.New("cancelled; nothing was changed")

// ReadLine reads one line and not a byte more, since what follows is for
// somebody else.
func ReadLine(r io.Reader) string {
	line, _ := readLine(r)
	return line
}

// readLine is ReadLine; ended says that the line had no end.
func readLine(r io.Reader) (text string, ended bool) {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] != '\n' && len(line) < 1000 {
			line = append(line, b[0])
		}
		if n == 1 && b[0] == '\n' {
			return string(line), false
		}
		if err != nil {
			return string(line), true
		}
	}
}

// After shows a person who is kept waiting what for, but not while they type: then
// it is they who are waited for. The caller calls stop when the wait is over.
func (t *Terminal) After(d time.Duration, message string) (stop func()) {
	created := make(chan *time.Timer, 1)
	timer := time.AfterFunc(d, func() {
		switch self := <-created; {
		case t.typing.Load():
			created <- self
			self.Reset(d)
		case IsTerminal(t.Stderr):
			t.Say("%s", message)
		}
	})
	created <- timer
	return func() { timer.Stop() }
}

// Waiting is after for a token that others may be refreshing.
func (t *Terminal) Waiting() (stop func()) {
	return t.After(time.Second, "waiting for a refresh, by this process or by another that shares the login…")
}

// dumb reports whether nobody knows what the terminal understands. Windows names
// none.
func dumb() bool {
	name := os.Getenv("TERM")
	return name == "dumb" || name == "" && runtime.GOOS != "windows"
}

// Style paints text for a terminal that wants it.
type Style struct{ on bool }

// StyleOf is the style for what is written to f.
func (t *Terminal) StyleOf(f *os.File) Style {
	plain := t.NoColor || os.Getenv("NO_COLOR") != "" || dumb()
	return Style{!plain && IsTerminal(f) && paints(f)}
}

func (s Style) paint(sgr, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

// Bold, and its like, paint text.
func (s Style) Bold(text string) string  { return s.paint("1", text) }
func (s Style) Dim(text string) string   { return s.paint("2", text) }
func (s Style) Red(text string) string   { return s.paint("31", text) }
func (s Style) Green(text string) string { return s.paint("32", text) }
