package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"codexauth/internal/cleantext"
)

// The rules of talking to people: the answer goes to standard output, and
// whatever else there is to say to standard error. Nothing asks, and nothing
// shows progress, unless somebody is there to see it. Nothing that comes from
// elsewhere reaches a terminal with control characters in it.

// A console is where a command talks to people, and to programs.
type console struct {
	stdin, stdout, stderr *os.File

	noColor    bool
	asksNobody bool // this command puts no question to a person
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// canAsk reports whether a person is there to answer.
func (t *console) canAsk() bool { return !t.asksNobody && isTerminal(t.stdin) && isTerminal(t.stderr) }

// say tells the person something.
func (t *console) say(format string, args ...any) {
	fmt.Fprintf(t.stderr, format+"\n", args...)
}

// print writes the answer.
func (t *console) print(text string) error {
	if _, err := io.WriteString(t.stdout, text); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// printJSON writes the answer as one line of JSON.
func (t *console) printJSON(v any) error {
	line, err := jsonLine(v)
	if err != nil {
		return err
	}
	return t.print(line)
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
func (t *console) printTable(rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	w.Flush() // a strings.Builder never fails
	return t.print(b.String())
}

// confirm asks a yes-or-no question whose default is no. Its error is
// errDeclined for a no.
func (t *console) confirm(ctx context.Context, question string) error {
	fmt.Fprintf(t.stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { answer <- readLine(t.stdin) }() // a read of a terminal can't be ended
	select {
	case <-ctx.Done():
		t.say("")
		return context.Cause(ctx)
	case line := <-answer:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes":
			return nil
		}
		return errDeclined
	}
}

// errDeclined is a person's no.
var errDeclined = errors.New("you said no; nothing was changed")

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
func (t *console) after(d time.Duration, message string) (stop func()) {
	timer := time.AfterFunc(d, func() {
		if isTerminal(t.stderr) {
			t.say("%s", message)
		}
	})
	return func() { timer.Stop() }
}

// waiting is after for a token that others may be refreshing.
func (t *console) waiting() (stop func()) {
	return t.after(time.Second, "waiting for a refresh, by this process or by another that shares the login…")
}

// style paints text for a terminal that wants it.
type style struct{ on bool }

func (t *console) styleOf(f *os.File) style {
	plain := t.noColor || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
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
