package resident

import (
	"io"
	"log/slog"
	"os"

	"github.com/spf13/pflag"

	"codexauth/internal/hint"
)

// mostLog is how many bytes the log of a broker in the background may have, and the
// older one beside it.
const mostLog = 8 << 20

// LogOptions say how a command that stays logs.
type LogOptions struct {
	format   string
	Buffered bool
	Bounded  string // the file that standard error is, if it must not grow without end
}

// Flags defines the one that people choose by.
func (o *LogOptions) Flags(f *pflag.FlagSet) {
	f.StringVar(&o.format, "log-format", "text", "how lines on standard error look: `FORMAT` is text or json")
}

// Check refuses a format that there is not.
func (o LogOptions) Check() error {
	if o.format != "text" && o.format != "json" {
		return hint.Usagef("--log-format is text or json")
	}
	return nil
}

// Open is the log of a command that stays: lines on standard error, and more with -v.
// A line is written when the call that logs it returns, unless it is to be buffered.
// The caller closes it.
func (o LogOptions) Open(stderr *os.File, verbose bool) (log *slog.Logger, closeLog func() error) {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	var w io.Writer = stderr
	closeLog = func() error { return nil }
	if o.Bounded != "" {
		w = NewBoundedLog(stderr, o.Bounded, mostLog)
	}
	if o.Buffered {
		lines := NewLogWriter(w)
		w, closeLog = lines, lines.Close
	}
	options := &slog.HandlerOptions{Level: level}
	if o.format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), closeLog
	}
	return slog.New(slog.NewTextHandler(w, options)), closeLog
}
