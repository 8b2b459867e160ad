package run

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// NoCommand shows what there is to somebody who named no command.
func NoCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return ExitStatus(verdict.Usage)
}

// UnknownCommand refuses a first argument that is no command, and suggests one.
func UnknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2 // changed or swapped letters
	how := fmt.Sprintf("`%s --help` lists the commands", cmd.CommandPath())
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		how = fmt.Sprintf("did you mean `%s %s`?", cmd.CommandPath(), strings.Join(near, "` or `"+cmd.CommandPath()+" "))
	}
	// Masked where it looks like a token: somebody may have pasted one here.
	return hint.Usage(fmt.Sprintf("there is no command %q", cleantext.Message(args[0])), how)
}

// NoArgs refuses arguments. They are not repeated: one may be a token.
func NoArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint.Usage(fmt.Sprintf("`%s` takes flags only, no arguments", cmd.CommandPath()), SeeHelp(cmd))
}

// OneArg wants exactly one argument, which is called name.
func OneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		return hint.Usage(fmt.Sprintf("`%s` takes one argument: %s", cmd.CommandPath(), name), SeeHelp(cmd))
	}
}

// TwoArgs wants exactly two arguments; what is what they are.
func TwoArgs(what, first, second string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 && args[0] != "" && args[1] != "" {
			return nil
		}
		return hint.Usage(fmt.Sprintf("`%s` takes two %s: %s and %s", cmd.CommandPath(), what, first, second), SeeHelp(cmd))
	}
}

// FlagError is what is wrong with a flag, without what looks like a token.
func FlagError(cmd *cobra.Command, err error) error {
	return hint.Usage(cleantext.Message(err.Error()), SeeHelp(cmd))
}

// SeeHelp says where a command is explained.
func SeeHelp(cmd *cobra.Command) string {
	return fmt.Sprintf("see `%s --help`", cmd.CommandPath())
}

// AtMostOneArg wants no argument, or one that is not empty.
func AtMostOneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return OneArg("at most, "+name)(cmd, args)
	}
}
