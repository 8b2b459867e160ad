// Package promtext reads Prometheus' text format as strictly as Prometheus and its
// linter do, for tests.
package promtext

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Metrics are the values of an exposition by name and labels, as they stand in it.
type Metrics struct {
	Values map[string]float64
	Kinds  map[string]string // of the families
}

// Names are the names of all samples that a query could ask for.
func (m Metrics) Names() []string {
	names := map[string]bool{}
	for id := range m.Values {
		name, _, _ := strings.Cut(id, "{")
		names[name] = true
	}
	for name, kind := range m.Kinds { // also those that have no sample at the moment
		switch kind {
		case "histogram":
			names[name+"_bucket"], names[name+"_sum"], names[name+"_count"] = true, true, true
		case "summary":
			names[name+"_sum"], names[name+"_count"] = true, true
		default:
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

var (
	sample    = regexp.MustCompile(`^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{((?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9][0-9.e+-]*|NaN|[+-]Inf)$`)
	label     = regexp.MustCompile(`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"`)
	plainName = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
)

type reader struct {
	Metrics
	helped, ended map[string]bool
	family        string
	errs          []error
}

func (r *reader) wrong(format string, args ...any) {
	r.errs = append(r.errs, fmt.Errorf(format, args...))
}

// Read returns what text holds, and all that is wrong with it.
func Read(text string) (Metrics, error) {
	r := &reader{Metrics: Metrics{map[string]float64{}, map[string]string{}}, helped: map[string]bool{}, ended: map[string]bool{}}
	if !strings.HasSuffix(text, "\n") {
		r.wrong("the last line does not end")
	}
	if !utf8.ValidString(text) {
		r.wrong("not UTF-8")
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
		switch {
		case strings.HasPrefix(line, "# HELP "):
			r.help(line)
		case strings.HasPrefix(line, "# TYPE "):
			r.kind(line)
		default:
			r.sample(line)
		}
	}
	r.histograms()
	return r.Metrics, errors.Join(r.errs...)
}

func (r *reader) help(line string) {
	f := strings.SplitN(line, " ", 4)
	if len(f) < 4 || r.helped[f[2]] || !plainName.MatchString(f[2]) {
		r.wrong("HELP: %s", line)
		return
	}
	r.helped[f[2]], r.ended[r.family] = true, true
	r.family = f[2]
}

func (r *reader) kind(line string) {
	f := strings.Fields(line)
	if len(f) != 4 || f[2] != r.family || r.Kinds[f[2]] != "" || !slices.Contains([]string{"counter", "gauge", "histogram", "summary"}, f[3]) {
		r.wrong("TYPE: %s", line)
		return
	}
	r.Kinds[f[2]] = f[3]
	if (f[3] == "counter") != strings.HasSuffix(f[2], "_total") {
		r.wrong("%s is a %s", f[2], f[3])
	}
	for _, unit := range []string{"_ms", "_millis", "_milliseconds", "_minutes", "_percent", "_kb", "_mb", "_time"} {
		if strings.HasSuffix(strings.TrimSuffix(f[2], "_total"), unit) {
			r.wrong("%s is not in a base unit", f[2])
		}
	}
}

func (r *reader) sample(line string) {
	m := sample.FindStringSubmatch(line)
	if m == nil {
		r.wrong("not a sample: %q", line)
		return
	}
	suffixes := map[string][]string{"counter": {""}, "gauge": {""}, "histogram": {"_bucket", "_sum", "_count"}, "summary": {"", "_sum", "_count"}}
	if !slices.ContainsFunc(suffixes[r.Kinds[r.family]], func(s string) bool { return m[1] == r.family+s }) || r.ended[r.family] {
		r.wrong("a sample outside of its family: %s", line)
	}
	id := m[1] + m[2]
	if _, twice := r.Values[id]; twice {
		r.wrong("twice: %s", id)
	}
	v, err := strconv.ParseFloat(m[4], 64)
	if err != nil {
		r.wrong("%s: %v", line, err)
	}
	if r.Kinds[r.family] != "gauge" && (v < 0 || math.IsNaN(v)) {
		r.wrong("a %s below 0: %s", r.Kinds[r.family], line)
	}
	r.Values[id] = v
	names := map[string]bool{}
	for _, l := range label.FindAllStringSubmatch(m[3], -1) {
		if names[l[1]] {
			r.wrong("a label twice: %s", line)
		}
		names[l[1]] = true
	}
}

// histograms wants buckets that grow up to the count.
func (r *reader) histograms() {
	type bucket struct{ le, n float64 }
	all := map[string][]bucket{}
	for id, v := range r.Values {
		name, labels, _ := strings.Cut(id, "{")
		family, ok := strings.CutSuffix(name, "_bucket")
		if !ok || r.Kinds[family] != "histogram" {
			continue
		}
		i := strings.LastIndex(labels, `le="`)
		if i < 0 {
			r.wrong("a bucket without an end: %s", id)
			continue
		}
		le, err := strconv.ParseFloat(strings.TrimSuffix(labels[i+4:], `"}`), 64)
		if err != nil {
			r.wrong("%s: %v", id, err)
		}
		rest := strings.TrimSuffix(labels[:i], ",")
		if rest != "" {
			rest = "{" + rest + "}"
		}
		all[family+"_count"+rest] = append(all[family+"_count"+rest], bucket{le, v})
	}
	for count, buckets := range all {
		slices.SortFunc(buckets, func(a, b bucket) int {
			if a.le < b.le {
				return -1
			}
			return 1
		})
		for i := 1; i < len(buckets); i++ {
			if buckets[i].n < buckets[i-1].n {
				r.wrong("%s: a bucket holds less than a smaller one", count)
			}
		}
		last := buckets[len(buckets)-1]
		if n, ok := r.Values[count]; !ok || !math.IsInf(last.le, 1) || n != last.n {
			r.wrong("%s is %v, and the last bucket (%v) %v", count, n, last.le, last.n)
		}
	}
}
