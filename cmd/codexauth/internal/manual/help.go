// Package manual says what commands do: at a terminal, and as pages for man. Both
// come from the texts that the commands themselves carry.
package manual

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Topic is a text that belongs to no command.
type Topic struct {
	Name, Short, Text string
	// Flags are explained below the text; nil means none.
	Flags *pflag.FlagSet
}

// Help tells what cmd does, in lines that are no wider than width where words
// allow. Of the flags that every command takes it gives the names alone: they have
// a topic of their own.
func Help(cmd *cobra.Command, width int) string {
	cmd.InitDefaultHelpFlag()
	var b strings.Builder
	b.WriteString(Wrap(describe(cmd), width))
	b.WriteString("\n\nUsage:\n")
	for _, line := range synopsis(cmd) {
		b.WriteString("  " + line + "\n")
	}
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(&b, "\nAlso called:\n  %s\n", strings.Join(cmd.Aliases, ", "))
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", cmd.Example)
	}
	if subs := visible(cmd); len(subs) > 0 {
		b.WriteString("\nCommands:\n")
		for _, sub := range subs {
			b.WriteString(Wrap(fmt.Sprintf("  %-*s  %s", cmd.NamePadding(), sub.Name(), sub.Short), width) + "\n")
		}
	}
	if own := ownFlags(cmd); own.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", explained(own, width))
	}
	for above := cmd.Parent(); above != nil && above.HasParent(); above = above.Parent() {
		if shared := above.PersistentFlags(); shared.HasAvailableFlags() {
			fmt.Fprintf(&b, "\nFlags of %s:\n%s", above.CommandPath(), explained(shared, width))
		}
	}
	if shared := globalFlags(cmd); shared.HasAvailableFlags() {
		b.WriteString("\nFlags of every command:\n")
		b.WriteString(indent(Wrap(strings.Join(names(shared), ", "), width-2), "  ") + "\n")
	}
	b.WriteString("\n" + Wrap(seeAlso(cmd), width) + "\n")
	return b.String()
}

// Help is the text of a topic.
func (t Topic) Help(width int) string {
	text := Wrap(t.Text, width) + "\n"
	if t.Flags != nil {
		text += "\nFlags:\n" + explained(t.Flags, width)
	}
	return text
}

// describe is the long text of a command, or what stands for it.
func describe(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return strings.TrimSpace(cmd.Long)
	}
	return strings.TrimSuffix(cmd.Short, ".") + "."
}

// synopsis is how cmd is called.
func synopsis(cmd *cobra.Command) (lines []string) {
	if cmd.Runnable() {
		lines = append(lines, cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		lines = append(lines, cmd.CommandPath()+" COMMAND")
	}
	return lines
}

func visible(cmd *cobra.Command) (subs []*cobra.Command) {
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() || sub.Name() == "help" {
			subs = append(subs, sub)
		}
	}
	return subs
}

// ownFlags are those of cmd alone, globalFlags those that every command takes.
func ownFlags(cmd *cobra.Command) *pflag.FlagSet {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if cmd.Root().PersistentFlags().Lookup(f.Name) == nil {
			own.AddFlag(f)
		}
	})
	return own
}

func globalFlags(cmd *cobra.Command) *pflag.FlagSet { return cmd.Root().PersistentFlags() }

// explained is what each flag does, without the spaces that pflag ends narrow lines with.
func explained(flags *pflag.FlagSet, width int) string {
	var b strings.Builder
	for line := range strings.Lines(flags.FlagUsagesWrapped(width)) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return b.String()
}

func names(flags *pflag.FlagSet) (list []string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Shorthand != "" {
			list = append(list, "-"+f.Shorthand)
		}
		list = append(list, "--"+f.Name)
	})
	return list
}

// seeAlso is the way to what is not told here.
func seeAlso(cmd *cobra.Command) string {
	root := cmd.Root().Name()
	flags := fmt.Sprintf("`%s help flags` explains the flags of every command.", root)
	if !cmd.HasAvailableSubCommands() {
		return flags
	}
	below := strings.TrimPrefix(cmd.CommandPath(), root)
	return fmt.Sprintf("`%s help%s COMMAND` explains a command. %s", root, below, flags)
}
