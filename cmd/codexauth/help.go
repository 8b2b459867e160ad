package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/manual"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/hint"
)

// topics are what `codexauth help` explains in addition to the commands.
func topics(root *cobra.Command) []manual.Topic {
	return []manual.Topic{flagsTopic(root), exitCodesTopic()}
}

func flagsTopic(root *cobra.Command) manual.Topic {
	return manual.Topic{
		Name: "flags", Short: "Settings", Flags: root.PersistentFlags(),
		Text: `Every command takes these flags. A setting comes from its flag, else from its
variable, else from the config file, else it has its default; "codexauth config"
shows each, and where it comes from.

Variables that have no flag:
  CODEXAUTH_HOME    DIR of the default store, in place of the system's
  CODEXAUTH_CONFIG  config FILE, in place of the default one
  NO_COLOR          any text: no colours`,
	}
}

func exitCodesTopic() manual.Topic {
	return manual.Topic{
		Name: "exit-codes", Short: "Exit codes",
		Text: `Every command exits with one of these codes; exec and status --check have their
own, which their help explains:

  0  done
  1  another failure
  2  the command line, or something that it names, is invalid
  3  nobody is signed in
  4  the login is no longer accepted: sign in again
  5  try again later: the network, the server, or another process is refreshing
  6  cancelled or refused by the user, or ended by a signal. What runs until Ctrl-C
     (serve, monitor, top, sandbox) ends with 0 then`,
	}
}

// helpCommand shows what a command does; to name none that there is, is a mistake.
func (a *app) helpCommand() *cobra.Command {
	var pages string
	help := &cobra.Command{
		Use:   "help [COMMAND]...",
		Short: "Show what a command does",
		Long: `Show what a command does, which flags every command takes ("flags"), or what
exit codes mean ("exit-codes").

With --man-pages it writes the manual pages into a folder instead.`,
		Example: `  codexauth help serve key add
  codexauth help flags
  codexauth help --man-pages ~/.local/share/man/man1 && man codexauth`,
		ValidArgsFunction: completeHelp,
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("man-pages") {
				if err := run.NoArgs(cmd, args); err != nil {
					return err
				}
				return a.writeManPages(cmd.Root(), pages)
			}
			text, err := a.helpOn(cmd.Root(), args)
			if err != nil {
				return err
			}
			return a.Print(text)
		},
	}
	help.Flags().StringVar(&pages, "man-pages", "", "`DIR` to write the manual pages into")
	return help
}

// helpOn is the help for what somebody asked about.
func (a *app) helpOn(root *cobra.Command, words []string) (string, error) {
	width := ui.TextWidth(a.Stdout)
	if len(words) == 1 {
		for _, topic := range topics(root) {
			if topic.Name == words[0] {
				return topic.Help(width), nil
			}
		}
	}
	about, rest, err := root.Find(words)
	if err != nil {
		return "", err
	}
	if err := run.UnknownCommand(about, rest); err != nil {
		return "", err
	}
	return manual.Help(about, width), nil
}

// help is what --help shows.
func (a *app) help(cmd *cobra.Command, _ []string) {
	to := a.Stdout
	if cmd.OutOrStdout() == a.Stderr {
		to = a.Stderr
	}
	// Like every answer, it may meet a reader who has left; there is nothing to undo.
	fmt.Fprint(to, manual.Help(cmd, ui.TextWidth(to)))
}

// writeManPages makes the manual pages of this binary.
func (a *app) writeManPages(root *cobra.Command, dir string) error {
	if dir == "" {
		return hint.Usage("--man-pages is empty", "name the folder for the manual pages")
	}
	return manual.Pages{Root: root, Topics: topics(root), Version: version(), Date: released}.Write(dir)
}

// completeHelp offers commands and topics to the shell.
func completeHelp(cmd *cobra.Command, words []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	about, rest, err := cmd.Root().Find(words)
	if err != nil || len(rest) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, sub := range about.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, cobra.CompletionWithDesc(sub.Name(), sub.Short))
		}
	}
	if len(words) == 0 {
		for _, topic := range topics(cmd.Root()) {
			names = append(names, cobra.CompletionWithDesc(topic.Name, topic.Short))
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
