package settingup

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/lockfile"
	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/internal/toolfile"
	"codexauth/internal/tools"
)

func (a *app) setupTool(cmd *cobra.Command, t tools.Tool, o setupOptions, program func() (string, error)) error {
	if o.print && o.undo {
		return hint.Usage("--print and --undo contradict each other", "give one of the two")
	}
	url, err := toolURL(o.url)
	if err != nil {
		return err
	}
	switch {
	case !t.Writes() && o.undo:
		a.Say("Nothing was written for %s; take out by hand what was pasted, and `codexauth serve key revoke %s`.", t.Title, t.Name)
		return nil
	case !t.Writes():
		return a.pasteTool(t, url)
	case o.undo:
		return a.undoTool(cmd, t)
	}
	m, p, err := a.Keeper(cmd)
	if err != nil {
		return err
	}
	defer a.Finish(m)
	if o.start && o.noStart {
		return hint.Usage("--start and --no-start contradict each other", "give one of the two")
	}
	b := toolBroker{Broker: tools.Broker{URL: url}, program: program, start: o.start, noStart: o.noStart}
	if b.Models, err = a.toolModels(cmd.Context(), m, p, o.model); err != nil {
		return err
	}
	if o.print {
		return a.printTool(t, b.Broker)
	}
	unlock, err := a.lockSetup(cmd.Context(), p)
	if err != nil {
		return err
	}
	done, err := a.writeTool(cmd, t, p, &b)
	unlock() // it may take a while until a broker is there
	if err != nil {
		return err
	}
	return a.tellTool(cmd, t, b, done)
}

// pasteTool prints what a person is to put where.
func (a *app) pasteTool(t tools.Tool, url string) error {
	text := t.Paste(url)
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Tool string `json:"tool"`
			Text string `json:"text"`
		}{t.Name, text})
	}
	if err := a.Print(text); err != nil {
		return err
	}
	a.Say("KEY is what %s prints, MODEL one of those that %s lists. The broker is %s.",
		a.Command("serve key add "+t.Name), a.Command(`exec -- sh -c 'echo "Authorization: Bearer $OPENAI_API_KEY" | curl -H @- "$OPENAI_BASE_URL/models"'`), a.serveCommandFor(url))
	return nil
}

// printTool shows what would be written, without the key.
func (a *app) printTool(t tools.Tool, b tools.Broker) error {
	b.Key, b.KeyFile = "KEY", "KEYFILE"
	targets, err := t.Targets(b)
	if err != nil {
		return err
	}
	var shown []string
	for _, target := range targets {
		text, _, err := target.Edit.SetUp("")
		if err != nil {
			return err
		}
		shown = append(shown, "# "+cleantext.OneLine(target.Path)+"\n"+text)
	}
	return a.Print(strings.Join(shown, "\n"))
}

// lockSetup keeps two of these from changing files at once.
func (a *app) lockSetup(ctx context.Context, p *place.Place) (unlock func(), err error) {
	return a.lockAs(ctx, p, "setup.lock", 10*time.Second)
}

func (a *app) lockAs(ctx context.Context, p *place.Place, name string, patience time.Duration) (unlock func(), err error) {
	if p.LockDir == "" {
		return nil, serving.NoRoom("CODEXAUTH_HOME")
	}
	const again = "run this again"
	if err := private.MkdirAll(p.LockDir); err != nil {
		return nil, hint.Mend(err, again, "")
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	release, err := lockfile.Lock(ctx, filepath.Join(p.LockDir, name))
	if err != nil {
		return nil, hint.Mend(err, again, "see whether another `codexauth setup` still runs, then "+again)
	}
	return func() { _ = release() }, nil
}

// writeTool gives the tool a key, which stands in b then, and writes its files.
func (a *app) writeTool(cmd *cobra.Command, t tools.Tool, p *place.Place, b *toolBroker) ([]toolfile.Outcome, error) {
	key, err := a.toolKey(cmd, p, t.Name)
	if err != nil {
		return nil, err
	}
	b.Key, b.KeyFile = key.text, key.file
	targets, err := t.Targets(b.Broker)
	if err != nil {
		return nil, err
	}
	var plans []*toolfile.Plan
	for _, target := range targets {
		plan, err := toolfile.Prepare(target.Path, target.Edit, target.Secret)
		if err != nil {
			return nil, setupHint(err, t.Name, target.Path)
		}
		plans = append(plans, plan)
	}
	a.HeedSignals() // from here on all of it is done, or none
	if err := key.keep(); err != nil {
		return nil, hint.Mend(err, "run `codexauth setup "+t.Name+"` again", "")
	}
	var done []toolfile.Outcome
	for i, plan := range plans {
		o, err := plan.Make()
		if err != nil {
			err = setupHint(err, t.Name, plan.Path())
			for _, plan := range slices.Backward(plans[:i+1]) {
				err = errors.Join(err, plan.Revert())
			}
			if key.fresh {
				_, dropErr := a.dropToolKey(cmd, p, t.Name)
				err = errors.Join(err, dropErr)
			}
			return nil, err
		}
		done = append(done, o)
	}
	return done, nil
}

// setupHint says what to do about a file that can't be written.
func setupHint(err error, name, path string) error {
	again, byHand := "run `codexauth setup "+name+"` again", "`codexauth setup "+name+" --print` shows"
	switch {
	case errors.Is(err, toolfile.ErrChanged):
		return hint.With(err, again)
	case errors.Is(err, toolfile.ErrReadOnly):
		return hint.With(err, makeWritable(path)+", then "+again+", or put in by hand what "+byHand)
	}
	return hint.Mend(err, again+", or put in by hand what "+byHand, byHand+" what to put into "+path+" by hand")
}

// undoHint says what to do about a file that can't be put back.
func undoHint(err error, name, path, byHand string) error {
	again := "run `codexauth setup " + name + " --undo` again"
	switch {
	case errors.Is(err, toolfile.ErrChanged):
		return hint.With(err, again)
	case errors.Is(err, toolfile.ErrReadOnly):
		return hint.With(err, makeWritable(path)+", then "+again)
	}
	return hint.Mend(err, again, byHand)
}

// makeWritable is the command that makes a file so.
func makeWritable(path string) string {
	command := "chmod u+w"
	if runtime.GOOS == "windows" {
		command = "attrib -r"
	}
	return "make it writable (" + command + " " + cleantext.ShellWord(path) + ")"
}

// A fileBody is what became of a file of a tool's.
type fileBody struct {
	Path    string  `json:"path"`
	Changed bool    `json:"changed"`
	Backup  *string `json:"backup"`
}

func bodiesOf(done []toolfile.Outcome) (bodies []fileBody, changed bool) {
	for _, o := range done {
		bodies, changed = append(bodies, fileBody{o.Path, o.Changed, ui.Known(o.Backup)}), changed || o.Changed
	}
	return bodies, changed
}

// tellTool says what was done, and has a broker run where the tool looks for it.
func (a *app) tellTool(cmd *cobra.Command, t tools.Tool, b toolBroker, done []toolfile.Outcome) error {
	bodies, changed := bodiesOf(done)
	if !a.Flags.JSON {
		a.sayTool(t, b.Broker, done, changed)
	}
	state, err := a.makeSure(cmd, b)
	if a.Flags.JSON {
		return errors.Join(err, a.PrintJSON(struct {
			Tool    string     `json:"tool"`
			Changed bool       `json:"changed"`
			Files   []fileBody `json:"files"`
			URL     string     `json:"url"`
			Model   string     `json:"model"`
			Broker  string     `json:"broker"` // ready, absent or stranger
		}{t.Name, changed, bodies, b.URL, b.Models[0].ID, state}))
	}
	if err == nil {
		a.tellBroker(state, t, b.Broker)
	}
	return err
}

func (a *app) sayTool(t tools.Tool, b tools.Broker, done []toolfile.Outcome, changed bool) {
	if !changed {
		a.Say("%s is set up already; nothing was changed.", ui.Capital(t.Title))
		return
	}
	for _, o := range done {
		if o.Changed {
			a.tellFileChange(o)
		}
	}
	a.Say("%s now uses this login, beginning with %s; `codexauth setup %s --undo` takes that back.", ui.Capital(t.Title), cleantext.OneLine(b.Models[0].ID), t.Name)
}

func (a *app) tellFileChange(o toolfile.Outcome) {
	text := "Wrote " + cleantext.OneLine(o.Path)
	if o.Backup != "" {
		text += "; the previous file is in " + cleantext.OneLine(filepath.Base(o.Backup)) + " beside it"
	}
	a.Say("%s.", text)
	if o.Tightened {
		a.Say("It holds a key now, so other users of this machine can't read it any more.")
	}
}

func (a *app) undoTool(cmd *cobra.Command, t tools.Tool) error {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	unlock, err := a.lockSetup(cmd.Context(), p)
	if err != nil {
		return err
	}
	defer unlock()
	targets, err := t.Targets(tools.Broker{})
	if err != nil {
		return err
	}
	a.HeedSignals()
	var done []toolfile.Outcome
	for _, target := range slices.Backward(targets) {
		o, err := toolfile.Undo(target.Path, target.Edit)
		if err != nil {
			return undoHint(err, t.Name, target.Path, fmt.Sprintf("take out by hand what `codexauth setup %s --print` shows", t.Name))
		}
		done = append(done, o)
	}
	revoked, err := a.dropToolKey(cmd, p, t.Name)
	if err != nil {
		err = fmt.Errorf("the settings of %s are taken back, but its key could not be revoked and is still good: %w", t.Title, err)
		return hint.Mend(err, "run `codexauth setup "+t.Name+" --undo` again", a.Command("serve key revoke "+t.Name)+" does that")
	}
	return a.tellUndone(t, done, revoked)
}

func (a *app) tellUndone(t tools.Tool, done []toolfile.Outcome, revoked bool) error {
	bodies, changed := bodiesOf(done)
	onlyKey := revoked && !changed
	changed = changed || revoked
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Tool    string     `json:"tool"`
			Changed bool       `json:"changed"`
			Files   []fileBody `json:"files"`
		}{t.Name, changed, bodies})
	}
	for _, o := range done {
		switch {
		case o.Rewritten && o.Backup != "":
			a.Say("%s was changed since, so only the settings of codexauth were taken out; what stood there before them is in %s.", cleantext.OneLine(o.Path), cleantext.OneLine(o.Backup))
		case o.Rewritten:
			a.Say("%s was changed since, so only the settings of codexauth were taken out.", cleantext.OneLine(o.Path))
		case o.Changed:
			a.Say("%s is as it was.", cleantext.OneLine(o.Path))
		}
	}
	switch {
	case onlyKey:
		a.Say("The key of %s is revoked; its settings had been taken back before.", t.Title)
	case !changed:
		a.Say("%s was not set up here; nothing was changed.", ui.Capital(t.Title))
	}
	return nil
}
