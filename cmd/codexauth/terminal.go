package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/term"

	"codexauth"
	"codexauth/internal/cleantext"
)

// The rules of talking to people: the answer goes to standard output, and
// whatever else there is to say to standard error. Nothing asks, and nothing
// shows progress, unless somebody is there to see it. Nothing that comes from
// elsewhere reaches a terminal with control characters in it.

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// canAsk reports whether a person is there to answer.
func (a *app) canAsk() bool { return !a.asksNobody && isTerminal(a.stdin) && isTerminal(a.stderr) }

// say tells the person something.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, format+"\n", args...)
}

// print writes the answer.
func (a *app) print(text string) error {
	if _, err := io.WriteString(a.stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// printJSON writes the answer as one line of JSON.
func (a *app) printJSON(v any) error {
	line, err := jsonLine(v)
	if err != nil {
		return err
	}
	return a.print(line)
}

// jsonLine is v as one line of JSON that any terminal shows as what it is.
func jsonLine(v any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return cleantext.JSON(b.String()), nil
}

// printTable writes rows as aligned columns.
func (a *app) printTable(rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // a strings.Builder never fails
	return a.print(b.String())
}

// confirm asks a yes-or-no question whose default is no. Its error is
// errDeclined for a no.
func (a *app) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { answer <- readLine(a.stdin) }() // a read of a terminal can't be ended
	select {
	case <-ctx.Done():
		a.say("")
		return context.Cause(ctx)
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	}
}

// readLine reads one line and not a byte more, since what follows is for
// somebody else.
func readLine(r io.Reader) string {
	var line []byte
	for b := make([]byte, 1); ; {
		n, err := r.Read(b)
		if n == 1 && b[0] != '\n' && len(line) < 1000 {
			line = append(line, b[0])
		}
		if err != nil || n == 1 && b[0] == '\n' {
			return string(line)
		}
	}
}

// after shows a person who is kept waiting what for. The caller calls stop as
// soon as there is no waiting any more.
func (a *app) after(d time.Duration, message string) (stop func()) {
	timer := time.AfterFunc(d, func() {
		if isTerminal(a.stderr) {
			a.say("%s", message)
		}
	})
	return func() { timer.Stop() }
}

// waiting is after for a token that others may be refreshing.
func (a *app) waiting() (stop func()) {
	return a.after(time.Second, "waiting for a refresh, by this process or by another that shares the login…")
}

// finish closes m: a refresh that is on its way comes to its end and is saved.
func (a *app) finish(m *codexauth.Manager) {
	defer a.after(500*time.Millisecond, "finishing the refresh that is on its way, so that its new token is not lost…")()
	m.Close() // its error is always nil
}

// style paints text for a terminal that wants it.
type style struct{ on bool }

func (a *app) styleOf(f *os.File) style {
	plain := a.flags.noColor || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	return style{!plain && isTerminal(f)}
}

func (s style) paint(sgr, text string) string {
	if !s.on || text == "" {
		return text
	}
	return "\x1b[" + sgr + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string  { return s.paint("1", text) }
func (s style) dim(text string) string   { return s.paint("2", text) }
func (s style) red(text string) string   { return s.paint("31", text) }
func (s style) green(text string) string { return s.paint("32", text) }

// oneLine drops what would break a line or command a terminal.
func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
}

// rfc3339 is how times stand in JSON: RFC 3339 in UTC, to the second.
func rfc3339(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// when shows a time in the person's own zone, and how far it is from now.
func when(t, now time.Time) string {
	return t.Local().Format("2006-01-02 15:04:05 MST") + " (" + relative(t.Sub(now)) + ")"
}

// relative says a duration as people do: "in 9 days", "3 minutes ago".
func relative(d time.Duration) string {
	size := d.Abs()
	unit, name := time.Second, "second"
	switch {
	case size.Round(time.Hour) >= 48*time.Hour:
		unit, name = 24*time.Hour, "day"
	case size.Round(time.Minute) >= 2*time.Hour:
		unit, name = time.Hour, "hour"
	case size.Round(time.Second) >= 2*time.Minute:
		unit, name = time.Minute, "minute"
	}
	n := int((size + unit/2) / unit)
	if n != 1 {
		name += "s"
	}
	switch {
	case n == 0:
		return "now"
	case d < 0:
		return fmt.Sprintf("%d %s ago", n, name)
	}
	return fmt.Sprintf("in %d %s", n, name)
}
