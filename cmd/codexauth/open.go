package main

import (
	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/browser"
	"codexauth/internal/cleantext"
)

// usagePage is where a person sees how much of the limits is used. The service itself
// sends people there, when a limit is reached.
const usagePage = "https://chatgpt.com/codex/settings/usage"

func (a *app) openCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "open",
		Short:   "Open a page of the service in your browser",
		Example: "  codexauth open usage",
		Args:    run.UnknownCommand,
		RunE:    run.NoCommand,
	}
	cmd.AddCommand(a.openUsageCommand())
	return cmd
}

func (a *app) openUsageCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "usage",
		Short: "Open the page that shows how much of the limits is used",
		Long: `Open the page that shows how much of the limits is used, of the account that the
browser is signed in with, and print its address. "codexauth status --usage" shows
it for the login that is stored here.`,
		Example: `  codexauth open usage
  codexauth open usage --json | jq -r .url`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.openPage(usagePage) },
	}
}

// openPage prints the address, for whoever has no browser here, and opens it for a
// person.
func (a *app) openPage(url string) error {
	if a.Flags.JSON {
		return a.PrintJSON(map[string]string{"url": url})
	}
	if err := a.Print(url + "\n"); err != nil {
		return err
	}
	if !browser.Available() {
		return nil
	}
	if err := browser.Open(url); err != nil {
		a.Say("Your browser could not be started (%s): open the address yourself.", cleantext.OneLine(err.Error()))
	}
	return nil
}
