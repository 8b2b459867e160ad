package codexcli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// ProviderName is the name of the model provider that a [Provider] sets up.
const ProviderName = "codexauth"

// A Provider is a model provider of the Codex CLI whose bearer token a command
// prints: the CLI runs it once, keeps the token for Refresh, and runs it once
// more when the backend says 401. It never sees a refresh token.
type Provider struct {
	BaseURL string
	Command string // absolute path
	Args    []string
	Timeout time.Duration // after which the command is killed
	Refresh time.Duration
	Headers map[string]string // of each request to the backend
}

// The lines that are set up say so themselves. The Codex CLI edits the file, too,
// and keeps comments, but may put lines of its own between two that belong
// together: so what is undone is recognised line by line.
const (
	topLine    = `model_provider = "` + ProviderName + `" # set by codexauth setup`
	savedMark  = "# saved by codexauth setup: "
	beginBlock = "# >>> codexauth setup (taken back by: codexauth setup codex --undo)"
	endBlock   = "# <<< codexauth setup"
	newlineTag = " [added a line end]"
	table      = "model_providers." + ProviderName
)

// top is the line that stands before the first table.
func (p Provider) top() string { return topLine + "\n" }

// tables is the part that stands at the end.
func (p Provider) tables() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[%s]", table)
	line("name = %s", quote(ProviderName))
	line("base_url = %s", quote(p.BaseURL))
	line(`wire_api = "responses"`)
	line("")
	line("[%s.auth]", table)
	line("command = %s", quote(p.Command))
	args := make([]string, len(p.Args))
	for i, arg := range p.Args {
		args[i] = quote(arg)
	}
	line("args = [%s]", strings.Join(args, ", "))
	line("timeout_ms = %d", p.Timeout.Milliseconds())
	line("refresh_interval_ms = %d", p.Refresh.Milliseconds())
	line("")
	line("[%s.http_headers]", table)
	names := make([]string, 0, len(p.Headers))
	for name := range p.Headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		line("%s = %s", quote(name), quote(p.Headers[name]))
	}
	return b.String()
}

// Text is the settings as they can be pasted into a config.toml by hand.
func (p Provider) Text() string {
	return "model_provider = \"" + ProviderName + "\"\n\n" + p.tables()
}

// quote writes s as a TOML basic string.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range strings.ToValidUTF8(s, string(utf8.RuneError)) {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			b.WriteString(`\u00` + strconv.FormatInt(int64(r)+0x100, 16)[1:])
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
