package manual

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Pages are the manual pages of a command line: one of the whole, and one of each
// of its commands, in which those below it stand, too.
type Pages struct {
	Root *cobra.Command
	// Topics stand on the page of the whole.
	Topics []Topic
	// Version is of the program, and Date that of its release, as 2006-01-02.
	Version, Date string
}

// Write makes the pages' files in dir, which it makes as well.
func (p Pages) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, cmd := range append([]*cobra.Command{p.Root}, visible(p.Root)...) {
		path := filepath.Join(dir, pageName(cmd)+".1")
		if err := os.WriteFile(path, []byte(p.page(cmd)), 0o644); err != nil {
			return err
		}
	}
	return nil
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is in the macros of man(7), which every man reads.
func (p Pages) page(cmd *cobra.Command) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	fmt.Fprintf(&b, ".TH %s 1 %s %s \"User Commands\"\n", quote(strings.ToUpper(pageName(cmd))), `"`+p.Date+`"`, quote("codexauth "+p.Version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(pageName(cmd)), escape(strings.TrimSuffix(cmd.Short, ".")))
	b.WriteString(".SH SYNOPSIS\n")
	all := []*cobra.Command{cmd}
	if cmd != p.Root {
		all = withThoseBelow(cmd)
	}
	for i, c := range all {
		for j, line := range synopsis(c) {
			if len(all) > 1 && strings.HasSuffix(line, " COMMAND") {
				continue // they all stand here
			}
			if i+j > 0 {
				b.WriteString(".br\n")
			}
			fmt.Fprintf(&b, ".B %s\n", escape(line))
		}
	}
	b.WriteString(".SH DESCRIPTION\n" + prose(describe(cmd)))
	if cmd == p.Root {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range visible(cmd) {
			fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", escape(pageName(sub)), escape(sub.Short))
		}
	}
	b.WriteString(options("OPTIONS", ownFlags(cmd)))
	for _, c := range all[1:] {
		fmt.Fprintf(&b, ".SH %s\n.B %s\n.PP\n%s", quote(strings.ToUpper(c.CommandPath())), escape(c.UseLine()), prose(describe(c)))
		c.InitDefaultHelpFlag()
		b.WriteString(options("", ownFlags(c)))
	}
	if cmd == p.Root {
		b.WriteString(options("OPTIONS OF EVERY COMMAND", globalFlags(cmd)))
		for _, t := range p.Topics {
			fmt.Fprintf(&b, ".SH %s\n%s", quote(strings.ToUpper(t.Short)), prose(t.Text))
		}
	}
	b.WriteString(examples(all))
	b.WriteString(p.others(cmd))
	return b.String()
}

func withThoseBelow(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range visible(cmd) {
		all = append(all, withThoseBelow(sub)...)
	}
	return all
}

// others is the way to the other pages.
func (p Pages) others(cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString(".SH SEE ALSO\n")
	if cmd != p.Root {
		fmt.Fprintf(&b, ".BR %s (1),\nwhich has the options of every command and the exit codes\n", escape(p.Root.Name()))
		return b.String()
	}
	subs := visible(cmd)
	for i, sub := range subs {
		comma := ","
		if i == len(subs)-1 {
			comma = ""
		}
		fmt.Fprintf(&b, ".BR %s (1)%s\n", escape(pageName(sub)), comma)
	}
	return b.String()
}

func options(title string, flags *pflag.FlagSet) string {
	if !flags.HasAvailableFlags() {
		return ""
	}
	var b strings.Builder
	if title != "" {
		fmt.Fprintf(&b, ".SH %s\n", quote(title))
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		b.WriteString(".TP\n")
		if f.Shorthand != "" {
			fmt.Fprintf(&b, ".BR \\-%s \", \" ", escape(f.Shorthand))
		} else {
			b.WriteString(".BR ")
		}
		fmt.Fprintf(&b, "\\-\\-%s", escape(f.Name))
		if value != "" {
			fmt.Fprintf(&b, " \" \\fI%s\\fR\"", escape(value))
		}
		fmt.Fprintf(&b, "\n%s\n", escape(usage))
	})
	return b.String()
}

func examples(of []*cobra.Command) string {
	var lines []string
	for _, c := range of {
		if c.HasExample() {
			lines = append(lines, strings.Trim(c.Example, "\n"))
		}
	}
	if len(lines) == 0 {
		return ""
	}
	return ".SH EXAMPLES\n.nf\n" + escape(strings.Join(lines, "\n")) + "\n.fi\n"
}

// prose is text in paragraphs; what is laid out already stays so.
func prose(text string) string {
	var b strings.Builder
	laidOut, fresh := false, true
	for line := range strings.SplitSeq(text, "\n") {
		switch {
		case line == "":
			if laidOut {
				b.WriteString(".fi\n")
			}
			laidOut, fresh = false, true
			continue
		case line[0] == ' ' && !laidOut:
			b.WriteString(".PP\n.nf\n")
			laidOut = true
		case line[0] != ' ' && laidOut:
			b.WriteString(".fi\n.PP\n")
			laidOut = false
		case fresh && b.Len() > 0:
			b.WriteString(".PP\n")
		}
		fresh = false
		b.WriteString(escape(line) + "\n")
	}
	if laidOut {
		b.WriteString(".fi\n")
	}
	return b.String()
}

// escape makes text mean itself to roff, line by line.
func escape(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		line = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", "\\`", "^", `\(ha`, "~", `\(ti`, `"`, `\(dq`).Replace(line)
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			line = `\&` + line
		}
		lines[i] = line
	}
	return strings.Join(lines, "\n")
}

// quote is an argument of a macro.
func quote(text string) string { return `"` + escape(text) + `"` }
