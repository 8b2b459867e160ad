package main

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/place/every"
	"codexauth/store/file"
)

func (a *app) configCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show every setting and where it comes from, or change one",
		Long: `Show every setting and where its value comes from: a flag, a variable, the config
file or the default. The first of these that sets it applies.

The file is config.toml in $CODEXAUTH_HOME if that is set, else codexauth/config.toml
in $XDG_CONFIG_HOME or the system's place for settings; CODEXAUTH_CONFIG names
another. It holds no secret, and is not read if others can write it.`,
		Example: `  codexauth config
  codexauth config set store keyring:
  codexauth --profile work config set store 'etcds://ci@etcd.example:2379/codexauth'
  codexauth config --json | jq -r '.settings[] | select(.name == "store") | .source'`,
		Args: run.UnknownCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.showSettings(cmd) },
	}
	cmd.AddCommand(a.configSetCommand(), a.configUnsetCommand())
	return cmd
}

// A settingBody is one setting. What is not known or not so is null.
type settingBody struct {
	Name       string  `json:"name"`
	Value      *string `json:"value"`
	Source     string  `json:"source"` // flag, variable, file or default
	From       *string `json:"from"`   // the flag, the variable, or the file's table
	Overridden *string `json:"overridden"`
	Note       *string `json:"note"`
}

func (a *app) showSettings(cmd *cobra.Command) error {
	s, err := a.Resolve(cmd)
	if err != nil {
		return err
	}
	var all []settingBody
	for _, set := range s.All() {
		body := settingBody{
			Name: set.Name, Value: ui.Known(config.Shown(set.Name, cmp.Or(set.Value, builtIn(s, set.Name)))), Source: string(set.Source),
			From: ui.Known(cameFrom(set, s)), Overridden: ui.Known(config.Shown(set.Name, set.Overridden)), Note: ui.Known(set.Unused),
		}
		all = append(all, body)
	}
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Path     *string       `json:"path"`
			Exists   bool          `json:"exists"`
			Settings []settingBody `json:"settings"`
			Profiles []string      `json:"profiles"` // with settings of their own
		}{ui.Known(s.File.Path), s.File.Exists, all, append([]string{}, s.File.Profiles()...)})
	}
	if err := a.PrintTable(settingRows(all)); err != nil {
		return err
	}
	a.tellFile(s)
	return nil
}

func settingRows(all []settingBody) [][]string {
	rows := [][]string{{"SETTING", "VALUE", "FROM"}}
	for _, b := range all {
		from := b.Source
		if b.From != nil {
			from += ": " + cleantext.OneLine(*b.From)
		}
		switch {
		case b.Note != nil:
			from += "; ignored from the file: " + cleantext.OneLine(*b.Overridden) + ": " + *b.Note
		case b.Overridden != nil:
			from += ", overriding the file's " + cleantext.OneLine(*b.Overridden)
		}
		value := "-"
		if b.Value != nil {
			value = cleantext.OneLine(*b.Value)
		}
		rows = append(rows, []string{b.Name, value, from})
	}
	return rows
}

// tellFile says where the file is, and what a person may not expect.
func (a *app) tellFile(s *config.Settings) {
	switch {
	case s.File.Path == "":
		a.Say("No config file is used.")
	case s.File.Exists:
		a.Say("The config file is %s.", cleantext.OneLine(s.File.Path))
	default:
		a.Say("There is no config file; `codexauth config set` makes %s.", cleantext.OneLine(s.File.Path))
	}
	var own []string
	for _, name := range s.File.Profiles() {
		own = append(own, cleantext.OneLine(name))
	}
	if len(own) > 0 {
		a.Say("Profiles with settings of their own: %s.", strings.Join(own, ", "))
	}
	for _, set := range s.All() {
		a.warnOfVariable(set)
	}
}

// warnOfVariable says that a variable of this shell overrides the file.
func (a *app) warnOfVariable(set config.Setting) {
	if set.Source == config.FromVariable && set.Overridden != "" {
		a.Say("warning: %s is set in this shell and overrides the file; `unset %[1]s` makes the file apply here, too", config.VariableOf(set.Name))
	}
}

// builtIn is the value of a setting that nobody has set; "" if it is none.
func builtIn(s *config.Settings, name string) string {
	switch name {
	case config.Profile:
		return config.DefaultProfile
	case config.Store:
		if dir, err := place.Directory("", file.DefaultDir); err == nil {
			return "file:" + dir
		}
	case config.Issuer, config.ClientID:
		provider, err := place.Of(s).Provider.Complete()
		if err != nil {
			return ""
		}
		if name == config.Issuer {
			return provider.Issuer
		}
		return provider.ClientID
	}
	return ""
}

// cameFrom says more exactly where a setting comes from.
func cameFrom(set config.Setting, s *config.Settings) string {
	switch set.Source {
	case config.FromFlag:
		return "--" + set.Name
	case config.FromVariable:
		return config.VariableOf(set.Name)
	case config.FromFile:
		if set.Own {
			return "[profiles." + cmp.Or(s.Get(config.Profile).Value, config.DefaultProfile) + "]"
		}
		return "for every profile"
	}
	return ""
}

func (a *app) configSetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "set NAME VALUE",
		Short: "Write a setting into the file",
		Long: `Write a setting into the file: for every profile, or with --profile for that one
alone. Everything else in it stays as it is, comments too. The settings are
` + strings.Join(config.Names(), ", ") + `.`,
		Example: `  codexauth config set store keyring:
  codexauth config set profile work
  codexauth --profile work config set identity-file ~/.config/codexauth/work.key
  codexauth --profile work config set identity-file plain    no key, although the others have one`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 2 {
				return nil
			}
			return hint.Usage("`codexauth config set` takes two arguments: NAME and VALUE", run.SeeHelp(cmd))
		},
		ValidArgsFunction: a.settingArgs,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.configSet(cmd, args[0], args[1]) },
	}
}

func (a *app) configUnsetCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "unset NAME",
		Short:             "Take a setting out of the file",
		Example:           "  codexauth config unset store\n  codexauth --profile work config unset store",
		Args:              run.OneArg("NAME"),
		ValidArgsFunction: a.settingName,
		RunE: func(cmd *cobra.Command, args []string) error {
			profile, err := a.scope(cmd, args[0])
			if err != nil {
				return err
			}
			path, err := config.Apply(cmd.Context(), config.Unset(profile, args[0]))
			if err != nil {
				return err
			}
			a.Say("%s no longer sets %s%s.", cleantext.OneLine(path), args[0], ofProfile(profile))
			return nil
		},
	}
}

func (a *app) configSet(cmd *cobra.Command, name, value string) error {
	profile, err := a.scope(cmd, name)
	if err != nil {
		return err
	}
	if value, err = lasting(name, value); err != nil {
		return err
	}
	path, err := config.Apply(cmd.Context(), config.Set(profile, name, value))
	if err != nil {
		return err
	}
	a.Say("%s is %s now%s; see %s.", name, cleantext.OneLine(value), ofProfile(profile), cleantext.OneLine(path))
	a.tellOtherSays(cmd, name)
	return nil
}

// tellOtherSays says that this shell, or a profile's own setting, comes before what
// was just set.
func (a *app) tellOtherSays(cmd *cobra.Command, name string) {
	s, err := a.Resolve(cmd)
	if err != nil {
		return // it was read a moment ago: somebody else changes it now
	}
	set := s.Get(name)
	a.warnOfVariable(set)
	if set.Own && a.Flags.Profile == "" {
		a.Say("The profile in use has its own %s, which takes precedence.", name)
	}
}

// scope is the profile that --profile names, "" for all of them, where name is a
// setting that there can be for it.
func (a *app) scope(cmd *cobra.Command, name string) (profile string, err error) {
	if err := a.EmptyFlags(cmd); err != nil {
		return "", err
	}
	if !slices.Contains(config.Names(), name) {
		return "", hint.Usage(fmt.Sprintf("there is no setting %q", cleantext.Message(name)), "there are "+strings.Join(config.Names(), ", "))
	}
	if a.Flags.Profile != "" && !config.OfProfile(name) {
		return "", hint.Usage("a profile has no "+name+" of its own", "leave --profile out")
	}
	return a.Flags.Profile, nil
}

func ofProfile(profile string) string {
	if profile == "" {
		return ", for every profile without one of its own"
	}
	return " for the profile " + cleantext.OneLine(profile)
}

// lasting is a value as it means the same in every directory, and can be meant.
func lasting(name, value string) (string, error) {
	var err error
	switch {
	case name == config.Store && value != "":
		if err := config.Check(name, absoluteStore(value)); err != nil {
			return "", err
		}
		var p place.Place
		if err := p.Open(value, every.Kinds()); err != nil {
			return "", err
		}
		defer p.Close()
		value = p.Lasting(value)
	case name == config.IdentityFile && value != "prompt" && value != config.Plain && value != "" && !strings.HasPrefix(value, "fd:") && !strings.HasPrefix(value, "AGE-"),
		name == config.CAFile && value != "":
		if value, err = filepath.Abs(value); err != nil {
			return "", err
		}
		if _, err := os.Stat(value); err != nil {
			return "", hint.Usage(fmt.Sprintf("%s can't be used: %v", name, err), "name an existing file")
		}
	}
	return value, config.Check(name, value)
}

// absoluteStore leaves the path out, which is made absolute when the store is opened.
func absoluteStore(value string) string {
	kind, _, _ := strings.Cut(value, ":")
	switch kind {
	case "file", "keyring", "broker+unix":
		return kind + ":"
	}
	return value
}
