package main

import (
	"io"
	"log/slog"

	"github.com/spf13/pflag"

	"codexauth/cmd/codexauth/internal/resident"
	"codexauth/internal/hint"
)

// logOptions say how a command that stays logs.
type logOptions struct {
	format   string
	buffered bool
}

func (o *logOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", "text", "how lines on standard error look: `FORMAT` is text or json")
}

func (o logOptions) check() error {
	if o.format != "text" && o.format != "json" {
		return hint.Usagef("--log-format is text or json")
	}
	return nil
}

// logTo is the log of a command that stays: lines on standard error, and more with -v.
// A line is written when the call that logs it returns, unless it is to be buffered.
// The caller closes it.
func (a *app) logTo(o logOptions) (log *slog.Logger, closeLog func() error) {
	level := slog.LevelInfo
	if a.flags.verbose {
		level = slog.LevelDebug
	}
	var w io.Writer = a.Stderr
	closeLog = func() error { return nil }
	if o.buffered {
		lines := resident.NewLogWriter(a.Stderr)
		w, closeLog = lines, lines.Close
	}
	options := &slog.HandlerOptions{Level: level}
	if o.format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), closeLog
	}
	return slog.New(slog.NewTextHandler(w, options)), closeLog
}
