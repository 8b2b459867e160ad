package main

import (
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/config"
)

// completeRest gives every flag and argument that has no completion of its own one
// that is true: a file where a file is meant, and nothing elsewhere, where the shell
// would offer files. It walks the whole tree, so it is called for a completion only.
func completeRest(cmd *cobra.Command) {
	each := func(f *pflag.Flag) {
		switch name := valueName(f); {
		case f.Name == "store":
			_ = cmd.RegisterFlagCompletionFunc(f.Name, run.StoreKinds) // fails for one that has its own
		case !strings.Contains(name, "FILE") && !strings.Contains(name, "PATH") && !strings.Contains(name, "DIR") && f.Name != "profile":
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.NoFileCompletions)
		}
	}
	cmd.LocalFlags().VisitAll(each)
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 && !strings.Contains(cmd.Use, "FILE") && !strings.Contains(cmd.Use, "CMD") && !strings.Contains(cmd.Use, "COMMAND") {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	for _, sub := range cmd.Commands() {
		completeRest(sub)
	}
}

// valueName is what a flag's help calls its value.
func valueName(f *pflag.Flag) string {
	name, _ := pflag.UnquoteUsage(f)
	return name
}

// settingName offers the names of settings for the one argument that there is.
func (a *app) settingName(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return a.settingArgs(cmd, args, prefix)
}

// settingArgs offers the names of settings, and the values that there are.
func (a *app) settingArgs(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	switch {
	case len(args) == 0:
		return config.Names(), cobra.ShellCompDirectiveNoFileComp
	case len(args) > 1:
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	switch args[0] {
	case config.Profile:
		return a.ProfileNames(cmd, nil, prefix)
	case config.Store:
		return run.StoreKinds(cmd, nil, prefix)
	case config.IdentityFile:
		return run.KeyWords("prompt", config.Plain)(cmd, nil, prefix)
	case config.CAFile:
		return nil, cobra.ShellCompDirectiveDefault
	}
	return nil, cobra.ShellCompDirectiveNoFileComp
}
