package monitor

import (
	"strconv"
	"strings"
	"time"
)

// Exposition writes Prometheus' text format. The zero value is empty.
type Exposition struct{ text strings.Builder }

// String is what was written.
func (w *Exposition) String() string { return w.text.String() }

// Family begins the lines of one metric.
func (w *Exposition) Family(name, kind, help string) {
	w.text.WriteString("# HELP " + name + " " + oneLine(help) + "\n# TYPE " + name + " " + kind + "\n")
}

// Line is one value; labels are names and values in turn.
func (w *Exposition) Line(name string, value float64, labels ...string) {
	w.text.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		mark := ","
		if i == 0 {
			mark = "{"
		}
		w.text.WriteString(mark + labels[i] + `="` + labelValue(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		w.text.WriteByte('}')
	}
	w.text.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// One is a metric of one line.
func (w *Exposition) One(name, kind, help string, value float64) {
	w.Family(name, kind, help)
	w.Line(name, value)
}

// Time writes a point in time as Prometheus has it, in Unix seconds; nothing for the
// zero time.
func (w *Exposition) Time(name string, t time.Time, labels ...string) {
	if !t.IsZero() {
		w.Line(name, float64(t.UnixMilli())/1e3, labels...)
	}
}

// labelValue escapes what a label's value can't hold, and makes it UTF-8.
func labelValue(s string) string {
	return strings.ReplaceAll(oneLine(strings.ToValidUTF8(s, "\uFFFD")), `"`, `\"`)
}

// oneLine escapes what ends a line, and what escapes.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, `\`, `\\`), "\n", `\n`)
}
