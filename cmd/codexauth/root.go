package main

import (
	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/monitoring"
	"codexauth/cmd/codexauth/internal/moving"
	"codexauth/cmd/codexauth/internal/program"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/cmd/codexauth/internal/settingup"
)

// rootFor builds as much of the command tree as args need. `codexauth token` is run
// again and again, by programs that wait for it: it is spared what it has no use for.
func (a *app) rootFor(args []string) *cobra.Command {
	if len(args) > 0 && args[0] == "token" {
		root := a.rootAlone()
		root.AddCommand(a.tokenCommand())
		return root
	}
	return a.rootCommand()
}

// rootAlone is the root without its commands. It is built again for every run, so it
// must stay cheap: nothing is read and nothing is opened.
func (a *app) rootAlone() *cobra.Command {
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
		Args:              run.UnknownCommand,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(a.Stdout)
	root.SetErr(a.Stderr)
	root.SetFlagErrorFunc(run.FlagError)
	root.SetHelpFunc(a.help)
	root.SetHelpCommand(a.helpCommand())
	var askVersion bool
	root.Flags().BoolVar(&askVersion, "version", false, "print the version of this binary")
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if askVersion {
			return a.printVersion()
		}
		return run.NoCommand(cmd, args)
	}
	a.DefineGlobals(root.PersistentFlags())
	_ = root.RegisterFlagCompletionFunc("profile", a.ProfileNames) // it fails only for a flag that does not exist
	return root
}

// rootCommand builds the command tree.
func (a *app) rootCommand() *cobra.Command {
	root := a.rootAlone()
	root.AddCommand(
		a.loginCommand(),
		a.logoutCommand(),
		a.statusCommand(),
		a.openCommand(),
		a.tokenCommand(),
		a.refreshCommand(),
		a.execCommand(),
		serving.Command(a.Run),
		serving.TopCommand(a.Run),
		monitoring.Command(a.Run),
		moving.Import(a.Run),
		moving.Export(a.Run),
		settingup.Command(a.Run, program.Installed),
		moving.Profile(a.Run),
		moving.Store(a.Run),
		a.configCommand(),
		a.doctorCommand(),
		a.sandboxCommand(),
		a.versionCommand(),
		a.completionCommand(),
	)
	return root
}
