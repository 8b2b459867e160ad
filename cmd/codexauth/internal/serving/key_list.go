package serving

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/cleantext"
)

// A keyBody is a key in JSON, without what opens anything.
type keyBody struct {
	Name        string   `json:"name"`
	Lease       bool     `json:"lease"`
	Metrics     bool     `json:"metrics,omitempty"`
	Status      bool     `json:"status,omitempty"`
	Login       string   `json:"login,omitempty"`
	ExpiresAt   string   `json:"expires_at,omitempty"`
	ExpiresSoon bool     `json:"expires_soon,omitempty"` // within a week, or it has
	OldUntil    string   `json:"old_until,omitempty"`    // when the text ends that was rotated away
	Paths       []string `json:"paths,omitempty"`
	Rate        string   `json:"rate,omitempty"`
	Burst       int      `json:"burst,omitempty"`
	Streams     int      `json:"streams,omitempty"`
	LastUsed    string   `json:"last_used,omitempty"`
}

func bodyOf(k broker.Key) keyBody {
	b := keyBody{Name: k.Name, Lease: k.Lease, Metrics: k.Metrics, Status: k.Status, Login: k.Login, Paths: k.Paths, Streams: k.Streams, Burst: k.Rate.Burst}
	k.Rate.Burst = 0
	b.Rate = k.Rate.String()
	if !k.Expires.IsZero() {
		b.ExpiresAt = ui.RFC3339(k.Expires)
	}
	if isRotated(k) {
		b.OldUntil = ui.RFC3339(k.BeforeEnds)
	}
	return b
}

func (a *app) keyListCommand(o *KeyPlace) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the keys by name; the keys themselves are not kept",
		Example: `  codexauth serve key list
  codexauth serve key list --json | jq -r '.[].name'`,
		Args: run.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keyList(cmd, o) },
	}
}

func (a *app) keyList(cmd *cobra.Command, o *KeyPlace) error {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	home, err := o.Of(p)
	if err != nil {
		return err
	}
	keys, err := home.Load(cmd.Context())
	if err != nil {
		return err
	}
	lastUsed, err := home.LastUsed(cmd.Context())
	if err != nil {
		a.Say("codexauth: the times of last use can't be read: %s", cleantext.OneLine(err.Error()))
	}
	var soon []string
	bodies := []keyBody{}
	for _, k := range keys {
		b := bodyOf(k)
		if used := lastUsed(k); !used.IsZero() {
			b.LastUsed = ui.RFC3339(used)
		}
		if b.ExpiresSoon = k.ExpiresSoon(time.Now()); b.ExpiresSoon {
			soon = append(soon, k.Name)
		}
		bodies = append(bodies, b)
	}
	if a.Flags.JSON {
		return a.PrintJSON(bodies)
	}
	if len(keys) == 0 {
		a.Say("There are no keys in %s; %s makes one.", cleantext.OneLine(home.String()), a.Command(o.Named("serve key add NAME")))
		return nil
	}
	if len(soon) > 0 {
		a.Say("warning: these keys have expired or will within a week: %s; %s extends one", strings.Join(soon, ", "), a.Command(o.Named("serve key rotate NAME --expires 30d")))
	}
	return a.PrintTable(keyRows(keys, lastUsed))
}

// keyRows are the keys as a table. What no key has, has no column.
func keyRows(keys []broker.Key, lastUsed func(broker.Key) time.Time) [][]string {
	has := func(what func(broker.Key) bool) bool { return slices.ContainsFunc(keys, what) }
	logins, rights := has(func(k broker.Key) bool { return k.Login != "" }), has(func(k broker.Key) bool { return k.Metrics || k.Status })
	rows := [][]string{{"NAME", "LEASE", "EXPIRES", "PATHS", "RATE", "STREAMS", "LAST USED"}}
	for _, k := range keys {
		rows = append(rows, keyRow(k, lastUsed(k)))
	}
	add := func(title string, value func(broker.Key) string) {
		rows[0] = append(rows[0], title)
		for i, k := range keys {
			rows[i+1] = append(rows[i+1], value(k))
		}
	}
	if has(isRotated) {
		add("OLD TEXT UNTIL", func(k broker.Key) string {
			if !isRotated(k) {
				return "-"
			}
			return ui.When(k.BeforeEnds, time.Now())
		})
	}
	if logins {
		add("LOGIN", func(k broker.Key) string {
			if k.Login == "" {
				return "the first"
			}
			return cleantext.OneLine(k.Login)
		})
	}
	if rights {
		add("SEES", func(k broker.Key) string {
			switch {
			case k.Metrics && k.Status:
				return "metrics, status"
			case k.Metrics:
				return "metrics"
			case k.Status:
				return "status"
			}
			return "-"
		})
	}
	return rows
}

// isRotated reports whether the text that a key had before is good still.
func isRotated(k broker.Key) bool { return time.Now().Before(k.BeforeEnds) }

func keyRow(k broker.Key, used time.Time) []string {
	row := []string{k.Name, "no", "never", "all", "any", "any", "never"}
	if k.Lease {
		row[1] = "yes"
	}
	if !k.Expires.IsZero() {
		row[2] = ui.When(k.Expires, time.Now())
		if !time.Now().Before(k.Expires) {
			row[2] = "expired, " + row[2]
		}
	}
	if len(k.Paths) > 0 {
		row[3] = strings.Join(k.Paths, " ")
	}
	if rate := k.Rate.String(); rate != "" {
		row[4] = rate
	}
	if k.Streams > 0 {
		row[5] = strconv.Itoa(k.Streams)
	}
	if !used.IsZero() {
		row[6] = ui.When(used, time.Now())
	}
	return row
}
