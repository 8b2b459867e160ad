package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

func (a *app) completionCommand() *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:   "completion SHELL",
		Short: "Print a completion script for bash, zsh, fish or powershell",
		Example: `  source <(codexauth completion bash)
  codexauth completion zsh > "${fpath[1]}/_codexauth"
  codexauth completion fish > ~/.config/fish/completions/codexauth.fish
  codexauth completion powershell | Out-String | Invoke-Expression`,
		Args:      oneArg("bash, zsh, fish or powershell"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.Stdout)
			case "fish":
				return root.GenFishCompletion(a.Stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.Stdout)
			}
			return hint.Usage(fmt.Sprintf("there is no completion for %q", cleantext.OneLine(args[0])), seeHelp(cmd))
		},
	}
}
