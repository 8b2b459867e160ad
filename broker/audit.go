package broker

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"codexauth/internal/cleantext"
)

// audit is a line of the audit log in the making. It holds no path that was not
// checked, and none of somebody unknown: who knows what they put there.
type audit struct {
	who, method, path string
	begun             time.Time
}

func (e *audit) log(log *slog.Logger, status int) {
	method := e.method
	if !allows(proxyMethods+" OPTIONS CONNECT TRACE", method) {
		method = "other"
	}
	log.LogAttrs(context.Background(), slog.LevelInfo, "request",
		slog.String("who", e.who), slog.String("method", method), slog.String("path", e.path),
		slog.Int("status", status), slog.Duration("took", time.Since(e.begun)))
}

// shownPath is a path with every segment masked that may be a secret.
func shownPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = cleantext.Message(segment)
	}
	return strings.Join(segments, "/")
}
