package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/program"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// rootCommand builds the command tree. It is built anew for every run, so it
// must stay cheap: nothing is read and nothing is opened.
func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "codexauth",
		Short: "One sign-in with ChatGPT (Codex), kept alive and shared safely",
		Long: `codexauth signs in with ChatGPT once, keeps that login alive, and hands out
valid access tokens to as many processes as you like: one of them refreshes,
the others adopt, and nobody is logged out.`,
		Example: `  codexauth login            sign in with your browser
  codexauth token            print an access token that is valid now
  codexauth status           show whose login it is and how it is doing
  codexauth sandbox demo     see it work, with a server of its own`,
		Args:              unknownCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(flagError)
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(a.helpCommand())
	var askVersion bool
	root.Flags().BoolVar(&askVersion, "version", false, "print the version of this binary")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if askVersion {
			return a.printVersion()
		}
		return noCommand(cmd, args)
	}
	a.defineGlobals(root.PersistentFlags())
	a.completeProfiles(root)
	root.AddCommand(
		a.loginCommand(),
		a.logoutCommand(),
		a.statusCommand(),
		a.openCommand(),
		a.tokenCommand(),
		a.refreshCommand(),
		a.execCommand(),
		a.serveCommand(),
		a.topCommand(),
		a.monitorCommand(),
		a.importCommand(),
		a.exportCommand(),
		a.setupCommand(program.Installed),
		a.profileCommand(),
		a.storeCommand(),
		a.configCommand(),
		a.doctorCommand(),
		a.sandboxCommand(),
		a.versionCommand(),
		a.completionCommand(),
	)
	return root
}

// noCommand shows what there is to somebody who named no command.
func noCommand(cmd *cobra.Command, _ []string) error {
	cmd.SetOut(cmd.ErrOrStderr())
	if err := cmd.Help(); err != nil {
		return err
	}
	return exitStatus(verdict.Usage)
}

// unknownCommand refuses a first argument that is no command, and suggests one.
func unknownCommand(cmd *cobra.Command, args []string) error {
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

// noArgs refuses arguments. They are not repeated: one may be a token.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return hint.Usage(fmt.Sprintf("`%s` takes flags only, no arguments", cmd.CommandPath()), seeHelp(cmd))
}

// oneArg wants exactly one argument, which is called name.
func oneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 && args[0] != "" {
			return nil
		}
		return hint.Usage(fmt.Sprintf("`%s` takes one argument: %s", cmd.CommandPath(), name), seeHelp(cmd))
	}
}

// twoArgs wants exactly two arguments; what is what they are.
func twoArgs(what, first, second string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 2 && args[0] != "" && args[1] != "" {
			return nil
		}
		return hint.Usage(fmt.Sprintf("`%s` takes two %s: %s and %s", cmd.CommandPath(), what, first, second), seeHelp(cmd))
	}
}

func flagError(cmd *cobra.Command, err error) error {
	return hint.Usage(cleantext.Message(err.Error()), seeHelp(cmd))
}

func seeHelp(cmd *cobra.Command) string {
	return fmt.Sprintf("see `%s --help`", cmd.CommandPath())
}

// atMostOneArg wants no argument, or one that is not empty.
func atMostOneArg(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return oneArg("at most, "+name)(cmd, args)
	}
}

// completeWords offers the values of a flag to the shell.
func completeWords(cmd *cobra.Command, flag string, words ...string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}
