// Package settingup sets other programs up to use a login, and has the system run the
// broker that they reach it by.
package settingup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/codexcli"
	"codexauth/internal/foreign"
	"codexauth/internal/hint"
	"codexauth/internal/tools"
)

type setupOptions struct {
	print, undo    bool
	start, noStart bool
	url, model     string
}

// app is one run of the command line, as what sets programs up sees it.
type app struct{ *run.Run }

// Command makes the command that sets other programs up to use codexauth. tool finds
// the path by which they are to run it.
func Command(r *run.Run, tool func() (string, error)) *cobra.Command {
	a := &app{r}
	var o setupOptions
	cmd := &cobra.Command{
		Use:   "setup [TOOL]",
		Short: "Set another program up to use this login, or list the programs here",
		Long: `Set another program up to use this login.

Without a name it lists the tools on this machine: which of them use this login,
and which hold a login of their own.

opencode, continue, pi and cline are pointed at a broker on this machine, with a
key of their own, in their own settings file: with a backup, and --undo puts every
byte back. If nothing answers there yet, it offers to have "codexauth serve" run
there: as a service, or in the background where no service is available.

codex has a command of its own. For any other tool it prints what to put where.`,
		Example: `  codexauth setup
  codexauth setup opencode
  codexauth setup opencode --print    show the settings and change nothing
  codexauth setup opencode --undo
  codexauth setup codex
  codexauth setup service             a broker that always runs`,
		Args:              toolName,
		ValidArgsFunction: toolNames,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return a.listTools(cmd)
			}
			t, _ := tools.Find(args[0])
			return a.setupTool(cmd, t, o, tool)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.print, "print", false, "print the settings and change nothing")
	f.BoolVar(&o.undo, "undo", false, "put the tool's settings back as they were, and revoke its key")
	f.BoolVar(&o.start, "start", false, "if nothing answers at that address, have codexauth run there, without a question")
	f.BoolVar(&o.noStart, "no-start", false, "start nothing")
	f.StringVar(&o.url, "url", "", "`URL` at which the tool reaches the broker, https or on this machine (default "+brokerURL+")")
	f.StringVar(&o.model, "model", "", "the model that the tool begins with (`NAME`, default the first of the backend's list)")
	cmd.AddCommand(a.setupCodexCommand(tool), a.setupServiceCommand(tool))
	return cmd
}

// toolName takes the name of a tool, or none.
func toolName(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if _, found := tools.Find(args[0]); !found {
		return hint.Usage("there is no tool \""+cleantext.Message(args[0])+"\" that codexauth knows how to set up",
			"there are "+strings.Join(append([]string{"codex"}, tools.Names()...), ", "))
	}
	return run.AtMostOneArg("TOOL")(cmd, args)
}

func toolNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return tools.Names(), cobra.ShellCompDirectiveNoFileComp // codex is there as a command
}

// A toolBody is what there is of a tool on this machine.
type toolBody struct {
	Name    string   `json:"name"`
	Program *string  `json:"program"` // its path, if it is in PATH
	Uses    bool     `json:"uses_login"`
	Logins  []string `json:"own_logins"` // accounts and providers that it has keys or logins for itself
	Writes  bool     `json:"can_set_up"` // its files are written; for others it is printed what to write
}

func (a *app) listTools(cmd *cobra.Command) error {
	for _, name := range []string{"print", "undo", "start", "no-start", "url", "model"} {
		if cmd.Flags().Changed(name) {
			return hint.Usage("--"+name+" is for one tool, and none is named", "name one: "+strings.Join(tools.Names(), ", "))
		}
	}
	var here []toolBody
	if codex, found := lookForCodex(); found {
		here = append(here, codex)
	}
	for _, t := range tools.All() {
		if f := t.Look(); f.Here || f.Uses {
			here = append(here, toolBody{t.Name, ui.Known(f.Program), f.Uses, append([]string{}, f.Logins...), t.Writes()})
		}
	}
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Tools []toolBody `json:"tools"`
			Known []string   `json:"known"`
		}{append([]toolBody{}, here...), append([]string{"codex"}, tools.Names()...)})
	}
	if holders := toolsWithALogin(); len(holders) > 0 {
		defer a.Say("A login that can be moved here is held by %s: %s shows it.", cleantext.OneLine(strings.Join(holders, ", ")), a.Command("import --list"))
	}
	if len(here) == 0 {
		a.Say("No tool that codexauth knows is here; it knows codex, %s.", strings.Join(tools.Names(), ", "))
		return nil
	}
	rows := [][]string{{"TOOL", "USES THIS LOGIN", "LOGINS OF ITS OWN", "PROGRAM"}}
	for _, t := range here {
		rows = append(rows, t.row())
	}
	return a.PrintTable(rows)
}

func (t toolBody) row() []string {
	row := []string{t.Name, "no: codexauth setup " + t.Name, "none", "not in PATH"}
	if t.Uses {
		row[1] = "yes"
	}
	if len(t.Logins) > 0 {
		row[2] = cleantext.OneLine(strings.Join(t.Logins, ", "))
	}
	if t.Program != nil {
		row[3] = cleantext.OneLine(*t.Program)
	}
	return row
}

// lookForCodex looks for the official command line.
func lookForCodex() (t toolBody, found bool) {
	t = toolBody{Name: "codex", Program: ui.Known(tools.Program("codex")), Logins: []string{}, Writes: true}
	home, err := codexcli.Home()
	if err != nil {
		return t, t.Program != nil
	}
	_, err = os.Stat(home)
	found = t.Program != nil || !errors.Is(err, fs.ErrNotExist)
	if config, err := codexcli.ReadConfig(home); err == nil {
		set, there, err := codexcli.FindSetup(config.Text)
		t.Uses = err == nil && there && set.Active
	}
	if data, _, err := codexcli.ReadAuth(filepath.Join(home, codexcli.AuthFile)); err == nil && codexcli.HoldsLogin(data) {
		t.Logins = slices.Concat(t.Logins, []string{"openai"})
	}
	return t, found
}

// toolsWithALogin are the tools on this machine from whose files a login can be imported.
func toolsWithALogin() (names []string) {
	for _, f := range foreign.Find() {
		if f.Login != nil && !slices.Contains(names, f.Tool.Name) {
			names = append(names, f.Tool.Name)
		}
	}
	return names
}
