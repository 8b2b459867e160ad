package broker

import (
	"strconv"
	"strings"
)

// exposition writes Prometheus' text format.
type exposition struct{ *strings.Builder }

// family begins the lines of one metric.
func (w exposition) family(name, kind, help string) {
	w.WriteString("# HELP " + name + " " + help + "\n# TYPE " + name + " " + kind + "\n")
}

// line is one value; labels are names and values in turn.
func (w exposition) line(name string, value float64, labels ...string) {
	w.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		mark := ","
		if i == 0 {
			mark = "{"
		}
		w.WriteString(mark + labels[i] + `="` + labelEscapes.Replace(labels[i+1]) + `"`)
	}
	if len(labels) > 0 {
		w.WriteByte('}')
	}
	w.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

// one is a metric of one line.
func (w exposition) one(name, kind, help string, value float64) {
	w.family(name, kind, help)
	w.line(name, value)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)
