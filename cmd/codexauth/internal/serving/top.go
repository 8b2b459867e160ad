package serving

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/broker/client"
	"codexauth/broker/overview"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/cmd/codexauth/internal/watch"
)

// TopCommand makes the command that shows in the terminal how a server is doing.
func TopCommand(r *run.Run) *cobra.Command {
	a := &app{r}
	var socket string
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch the login and its users in the terminal",
		Long: `Watch in the terminal how the login, its limits and those who use it are doing:
what ` + "`codexauth serve open`" + ` shows in a browser. q or Ctrl-C ends it.

It asks the server that runs on this machine, or the one that --store names, every
two seconds. Where none runs it shows what the store knows of the login. Without a
terminal, and with --json, it prints once.`,
		Example: `  codexauth top
  codexauth top --json | jq '.clients[] | {name, requests}'
  codexauth top --store "broker+https://broker.example:8461?key-file=$HOME/ci.key"`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.top(cmd, socket) },
	}
	cmd.Flags().StringVar(&socket, "socket", "", "`PATH` of the server's socket (default serve.sock next to the store)")
	return cmd
}

func (a *app) top(cmd *cobra.Command, socket string) error {
	w, p, err := a.watcher(cmd, socket)
	if err != nil {
		return err
	}
	if p.Broker == nil && socket == "" {
		m, err := codexauth.NewManager(a.Config(p))
		if err != nil {
			return err
		}
		defer a.Finish(m)
		w.Ask = elseStore(w.Ask, m)
	}
	ctx := cmd.Context()
	// First without a screen: a sealed store may ask for its passphrase.
	if _, err := w.Ask(ctx); err != nil {
		return a.noServer(err)
	}
	if a.Flags.JSON || !a.HasScreen() {
		return a.topOnce(ctx, w)
	}
	a.HeedSignals()
	return a.topScreen(ctx, w)
}

// elseStore asks the store where no server runs on this machine.
func elseStore(ask func(context.Context) (*overview.Overview, error), m *codexauth.Manager) func(context.Context) (*overview.Overview, error) {
	return func(ctx context.Context) (*overview.Overview, error) {
		o, err := ask(ctx)
		if !errors.Is(err, client.ErrUnreachable) {
			return o, err
		}
		status, err := m.Status(ctx)
		if err != nil {
			return nil, err
		}
		return &overview.Overview{At: time.Now().UTC(), Logins: []overview.Login{overview.LoginOf(status)},
			Clients: []overview.Client{}, Models: []overview.Model{}, Events: []overview.Event{}}, nil
	}
}

// topOnce prints what there is to see now.
func (a *app) topOnce(ctx context.Context, w *watch.Watcher) error {
	v := w.Look(ctx)
	o, err := w.Latest()
	if err != nil {
		return a.noServer(err)
	}
	if a.Flags.JSON {
		return a.PrintJSON(o)
	}
	text := ""
	for _, line := range a.topLines(v, topColumns) {
		text += line + "\n"
	}
	return a.Print(text)
}

// topColumns is how wide the picture is where nobody says.
const topColumns = 80

// topScreen shows what there is to see until somebody has seen enough.
func (a *app) topScreen(ctx context.Context, w *watch.Watcher) error {
	screen, err := a.OpenScreen()
	if err != nil {
		return err
	}
	defer screen.Close()
	ticker := time.NewTicker(watch.Every)
	defer ticker.Stop()
	looks := make(chan watch.View, 1)
	look := func() { go func() { looks <- w.Look(ctx) }() } // a key counts while the server is asked
	look()
	for looking := true; ; {
		select {
		case v := <-looks:
			looking = false
			if err := screen.Draw(append(a.topLines(v, screen.Width()), "", a.StyleOf(a.Stdout).Dim("q quits"))); err != nil {
				return err
			}
		case <-ticker.C:
			if !looking {
				looking = true
				look()
			}
		case key, ok := <-screen.Keys():
			if !ok || key == 'q' || key == 'Q' || key == ctrlC || key == ctrlD {
				return nil
			}
		case <-ctx.Done():
			return nil // that is how one leaves
		}
	}
}

// What Ctrl-C and Ctrl-D send.
const ctrlC, ctrlD = 3, 4

// topLines is the picture, in so many columns.
func (a *app) topLines(v watch.View, columns int) []string {
	st := a.StyleOf(a.Stdout)
	title := "codexauth"
	if v.Since != "" {
		title = "codexauth serve, running since " + v.Since
	}
	lines := []string{ui.Apart(st.Bold(title), v.Now, columns), paint(st, v.Mood, v.Summary)}
	add := func(label, text string) {
		lines = append(lines, ui.Wrap(text, "  "+ui.Pad(label, topLabel), topLabel+2, columns)...)
	}
	if v.Trouble != "" {
		lines = append(lines, ui.Wrap(v.Trouble, "", 0, columns)...)
	}
	for _, l := range v.Logins {
		lines = append(lines, "", st.Bold(l.Profile)+"  "+paint(st, l.Mood, l.State))
		if l.Remedy != "" {
			add("To do", l.Remedy)
		}
		for _, limit := range l.Limits {
			add(limit.Name, a.Bar(limit.Percent)+" "+limit.Text)
		}
		for _, f := range l.Facts {
			add(f[0], f[1])
		}
	}
	lines = append(lines, topTable(st, watch.ClientHeads, v.Clients, columns)...)
	lines = append(lines, topTable(st, watch.ModelHeads, v.Models, columns)...)
	return append(lines, topEvents(st, v.Events, columns)...)
}

func paint(st ui.Style, mood watch.Mood, text string) string {
	switch mood {
	case watch.Good:
		return st.Green(text)
	case watch.Bad:
		return st.Red(text)
	}
	return st.Bold(text)
}

func topEvents(st ui.Style, events []watch.Event, columns int) (lines []string) {
	if len(events) > 0 {
		lines = append(lines, "", st.Bold("Recent events"))
	}
	for _, e := range events {
		text := e.Text
		if e.Profile != "" {
			text = e.Profile + ": " + text
		}
		if e.Remedy != "" {
			text += "; " + e.Remedy
		}
		for _, line := range ui.Wrap(text, "  "+ui.Pad(e.At, topTime)+" ", topTime+3, columns) {
			if e.Bad {
				line = st.Red(line)
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// topLabel and topTime are how wide names of facts, and times, are.
const topLabel, topTime = 16, 26

// topTable is a table whose first column gives way where the others need room.
func topTable(st ui.Style, heads []string, rows [][]string, columns int) []string {
	if len(rows) == 0 {
		return nil
	}
	widths := make([]int, len(heads))
	for _, row := range append([][]string{heads}, rows...) {
		for i, text := range row {
			widths[i] = max(widths[i], ui.Columns(text))
		}
	}
	for _, w := range widths[1:] {
		columns -= w + 2
	}
	widths[0] = min(widths[0], max(columns, 12))
	line := func(row []string) string {
		text := ui.Pad(ui.Clip(row[0], widths[0]), widths[0])
		for i, cell := range row[1:] {
			text += "  " + ui.PadLeft(cell, widths[i+1])
		}
		return text
	}
	lines := []string{"", st.Bold(line(heads))}
	for _, row := range rows {
		lines = append(lines, line(row))
	}
	return lines
}
