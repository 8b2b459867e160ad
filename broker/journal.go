package broker

import (
	"log/slog"

	"codexauth/internal/monitor"
)

// Journal keeps what happened to the logins of a Server lately, counts it for the
// metrics, and logs it with what to do. Its Hear is the OnEvent of each login's
// Manager, and its Looked(key) what their Watch is given.
type Journal = monitor.Journal

// NewJournal returns a Journal that logs to log; nil is silent.
func NewJournal(log *slog.Logger) *Journal { return monitor.NewJournal(log) }
