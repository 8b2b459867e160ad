package run

import (
	"strings"

	"github.com/spf13/cobra"
)

// CompleteWords offers the values of a flag to the shell.
func CompleteWords(cmd *cobra.Command, flag string, words ...string) {
	// It fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
}

// StoreKinds offers how the address of a store begins.
func StoreKinds(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{
		"file:\ta directory", "keyring:\tsealed with a key in the system's keyring", "postgres://\ta database", "etcd://\ta cluster", "etcds://\ta cluster, over TLS",
		"broker+unix:\ta broker's socket", "broker+https://\ta broker elsewhere",
	}, cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
}

// KeyWords offers what can stand in a key file's place; files come from the shell.
func KeyWords(words ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, _ []string, prefix string) ([]string, cobra.ShellCompDirective) {
		var fit []string
		for _, word := range words {
			if strings.HasPrefix(word, prefix) {
				fit = append(fit, word)
			}
		}
		return fit, cobra.ShellCompDirectiveDefault
	}
}

// FirstProfile offers the names of the stored logins for a command's first argument.
func (r *Run) FirstProfile(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return r.ProfileNames(cmd, args, prefix)
}

// ProfileNames offers the names of the stored logins to the shell.
func (r *Run) ProfileNames(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	p, err := r.StorePlace(cmd)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, err := p.Profiles(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
