package doctor

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
)

// The states of a check, from good to bad.
const (
	stateSkipped = "skipped" // it does not apply, or another check says why it can't be made
	stateOK      = "ok"
	stateWarning = "warning" // it works, and something should be fixed
	stateProblem = "problem" // something does not work, or will not
)

// A finding is what a check has found.
type finding struct {
	state  string
	detail string // what is
	remedy string // what to do; empty if nothing
}

func okay(format string, args ...any) finding {
	return finding{state: stateOK, detail: fmt.Sprintf(format, args...)}
}

func skipped(format string, args ...any) finding {
	return finding{state: stateSkipped, detail: fmt.Sprintf(format, args...)}
}

func warning(remedy, format string, args ...any) finding {
	return finding{stateWarning, fmt.Sprintf(format, args...), remedy}
}

func problem(remedy, format string, args ...any) finding {
	return finding{stateProblem, fmt.Sprintf(format, args...), remedy}
}

// A Report is what all checks have found.
type Report struct {
	checks   []check
	findings []finding
}

// Healthy reports whether no check has found a problem.
func (e Report) Healthy() bool { return worst(e.findings) != stateProblem }

// worst is the state of the whole.
func worst(findings []finding) string {
	state := stateOK
	for _, f := range findings {
		switch {
		case f.state == stateProblem:
			return stateProblem
		case f.state == stateWarning:
			state = stateWarning
		}
	}
	return state
}

type checkBody struct {
	Name   string  `json:"name"`
	State  string  `json:"state"`
	Detail string  `json:"detail"`
	Remedy *string `json:"remedy"`
}

// Tell says what was found: as JSON to a program, and to a person at a terminal no more
// than what calls for something, unless they want all.
func (e Report) Tell(t *ui.Terminal, json, all bool) error {
	bodies := []checkBody{}
	counts := map[string]int{}
	for i, f := range e.findings {
		counts[f.state]++
		bodies = append(bodies, checkBody{e.checks[i].name, f.state, safe(f.detail), ui.Known(safe(f.remedy))})
	}
	if json {
		return t.PrintJSON(struct {
			Checks []checkBody `json:"checks"`
			State  string      `json:"state"`
		}{bodies, worst(e.findings)})
	}
	said := bodies
	if !all && ui.IsTerminal(t.Stdout) {
		said = slices.DeleteFunc(slices.Clone(bodies), func(b checkBody) bool { return b.State != stateProblem && b.State != stateWarning })
	}
	if err := t.Print(findingLines(said, t.StyleOf(t.Stdout))); err != nil {
		return err
	}
	more := ""
	if len(said) < len(bodies) {
		more = fmt.Sprintf("; `codexauth doctor --all` shows all %d checks", len(bodies))
	}
	t.Say("%s, %s%s.", ui.Count(counts[stateProblem], "problem"), ui.Count(counts[stateWarning], "warning"), more)
	return nil
}

func findingLines(bodies []checkBody, st ui.Style) string {
	paint := map[string]func(string) string{
		stateOK: st.Green, stateWarning: st.Bold, stateProblem: st.Red, stateSkipped: st.Dim,
	}
	width := 0
	for _, b := range bodies {
		width = max(width, len(b.Name))
	}
	var text strings.Builder
	for _, b := range bodies {
		fmt.Fprintf(&text, "%s  %-*s  %s\n", paint[b.State](fmt.Sprintf("%-7s", b.State)), width, b.Name, b.Detail)
		if b.Remedy != nil {
			fmt.Fprintf(&text, "%*s  -> %s\n", len("warning")+2+width, "", *b.Remedy)
		}
	}
	return text.String()
}

// userinfo is a name and a password in a URL, also in one that can't be parsed.
// It is compiled on demand: only the doctor has a use for it.
func userinfo() *regexp.Regexp { return regexp.MustCompile(`://[^/\s"'<>]*@`) }

// safe makes a text fit for a terminal, a log and a bug report: one line, and no
// password of a URL, whoever wrote it into an error.
func safe(text string) string {
	return userinfo().ReplaceAllString(cleantext.OneLine(text), "://")
}
