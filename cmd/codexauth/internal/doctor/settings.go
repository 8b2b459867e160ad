package doctor

import (
	"context"
	"strings"

	"codexauth/internal/config"
)

func (d *Examination) settingsChecks() []check { return []check{{"settings", d.checkSettings}} }

// checkSettings looks at the config file, and whether variables of this shell
// say something else: then another shell uses another login.
func (d *Examination) checkSettings(ctx context.Context) finding {
	if d.SettingsErr != nil {
		return d.failure(ctx, d.SettingsErr)
	}
	f := d.Settings.File
	switch {
	case f.Path == "":
		return okay("no config file is used")
	case !f.Exists:
		return okay("there is no config file; it would be %s", f.Path)
	}
	var variables, said []string
	for _, s := range d.Settings.All() {
		if s.Source == config.FromVariable && s.Overridden != "" {
			variables = append(variables, config.VariableOf(s.Name))
			said = append(said, s.Name+" "+config.Shown(s.Name, s.Overridden))
		}
	}
	if len(variables) > 0 {
		names := strings.Join(variables, " and ")
		return warning("unset "+strings.Join(variables, " ")+", or leave it if only this shell is meant",
			"%s of this shell overrides %s (%s), which other shells use", names, f.Path, strings.Join(said, ", "))
	}
	return okay("%s", f.Path)
}
