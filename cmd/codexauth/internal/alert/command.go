package alert

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"codexauth"
	"codexauth/internal/monitor"
)

// run starts the program, with the event as JSON on its standard input. What it
// prints is nobody's: it could look like lines of our log.
func (n *Notifier) run(ctx context.Context, e codexauth.Event, body []byte) {
	ctx, cancel := outlast(ctx, commandLimit)
	defer cancel()
	c := exec.CommandContext(ctx, n.cfg.Command[0], n.cfg.Command[1:]...)
	c.Stdin = bytes.NewReader(append(body, '\n'))
	c.Env = append(withoutOurs(os.Environ()), environment(e)...)
	c.WaitDelay = time.Second
	if err := c.Run(); err != nil {
		n.cfg.Log.Error("the program for events failed", "error", err, "remedy", "run it by hand: it gets the event as JSON on its standard input")
	}
}

// environment tells a program enough to choose what to do. Values that others have
// made are in the JSON alone, but for those in which nothing can hide.
func environment(e codexauth.Event) []string {
	b := monitor.BodyOf(e)
	return []string{
		"CODEXAUTH_EVENT=" + b.Event, "CODEXAUTH_EVENT_ID=" + b.ID, "CODEXAUTH_EVENT_AT=" + b.At,
		"CODEXAUTH_EVENT_PROFILE=" + plain(b.Profile), "CODEXAUTH_EVENT_CODE=" + plain(b.Code),
	}
}

// plain is s, if no shell or program could take it for more than a word.
func plain(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' && i > 0) {
			return "other"
		}
	}
	return s[:min(len(s), 64)]
}

// withoutOurs leaves out what an event of another process would have set.
func withoutOurs(env []string) []string {
	var kept []string
	for _, entry := range env {
		name, _, _ := strings.Cut(entry, "=")
		if runtime.GOOS == "windows" { // where no variable's name has a case
			name = strings.ToUpper(name)
		}
		if !strings.HasPrefix(name, "CODEXAUTH_EVENT") {
			kept = append(kept, entry)
		}
	}
	return kept
}
