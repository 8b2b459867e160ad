package broker

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"codexauth/internal/rig/promtext"
)

const deployed = "../deploy/prometheus/"

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// promtool runs Prometheus' own tool, which CI has.
func promtool(t *testing.T, stdin string, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CODEXAUTH_E2E_REQUIRED") != "" {
			t.Fatal("promtool is missing: install prometheus")
		}
		t.Skip("promtool is not installed (Debian: prometheus)")
	}
	cmd := exec.Command(path, args...)
	cmd.Dir, cmd.Stdin = deployed, strings.NewReader(stdin)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// metricsOfARun are those of a broker that has seen something of everything.
func metricsOfARun(t *testing.T) string {
	t.Helper()
	r := newRig(t, nil)
	r.addKey("ends", func(k *Key) { k.Expires = time.Now().Add(time.Hour) })
	r.ask("POST", "/v1/responses", prompt)
	r.ask("POST", "/v1/chat/completions", `{"model":"gpt-sandbox","messages":[{"role":"user","content":"x"}]}`)
	r.ask("GET", "/v1/models", "", "Authorization", "Bearer wrong")
	r.sandbox.ExpireAccessTokens()
	r.ask("POST", "/v1/responses", prompt)
	r.journal.Looked("default")(time.Millisecond, nil)
	r.journal.Claimed("default", time.Millisecond)
	_, text, _ := r.ask("GET", "/metrics", "")
	return text
}

// Prometheus' linter finds nothing in what a broker serves.
func TestPromtoolLikesTheMetrics(t *testing.T) {
	promtool(t, metricsOfARun(t), "check", "metrics")
}

// The alert rules do what their tests say.
func TestAlertRules(t *testing.T) {
	promtool(t, "", "check", "rules", "alerts.yml")
	promtool(t, "", "test", "rules", "alerts_test.yml")
}

// Every alert is tested, and the guide says what it means.
func TestAlertsAreExplained(t *testing.T) {
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(readFile(t, deployed+"alerts.yml"), -1)
	if len(names) < 10 {
		t.Fatalf("%d alerts", len(names))
	}
	tests, guide := readFile(t, deployed+"alerts_test.yml"), readFile(t, "../docs/operate.md")
	for _, name := range names {
		if !strings.Contains(tests, "alertname: "+name[1]+"\n") {
			t.Errorf("%s is not tested", name[1])
		}
		if !strings.Contains(guide, "\n### "+name[1]+"\n") {
			t.Errorf("docs/operate.md does not explain %s", name[1])
		}
	}
}

// Every metric that a rule, the dashboard or the guide asks for is served.
func TestEveryMetricAskedForIsServed(t *testing.T) {
	m, err := promtext.Read(metricsOfARun(t))
	if err != nil {
		t.Fatal(err)
	}
	served := m.Names()
	asked := func(where, text string) {
		t.Helper()
		names := regexp.MustCompile(`\bcodexauth_[a-z0-9_]+`).FindAllString(text, -1)
		if len(names) == 0 {
			t.Errorf("%s asks for nothing", where)
		}
		for _, name := range names {
			if family := strings.TrimSuffix(name, "_"); !slices.Contains(served, name) && m.Kinds[family] == "" {
				t.Errorf("%s asks for %s, which is not served", where, name)
			}
		}
	}
	asked("alerts.yml", readFile(t, deployed+"alerts.yml"))
	asked("alerts_test.yml", readFile(t, deployed+"alerts_test.yml"))
	asked("operate.md", readFile(t, "../docs/operate.md"))
	asked("serve.md", readFile(t, "../docs/serve.md"))
	for title, exprs := range dashboardQueries(t) {
		for _, expr := range exprs {
			asked("the panel "+title, expr)
		}
	}
}

func dashboardQueries(t *testing.T) map[string][]string {
	t.Helper()
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
		Templating struct {
			List []struct {
				Name  string
				Query any
			}
		}
	}
	if err := json.Unmarshal([]byte(readFile(t, deployed+"dashboard.json")), &board); err != nil {
		t.Fatal(err)
	}
	queries := map[string][]string{}
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			queries[p.Title] = append(queries[p.Title], target.Expr)
		}
	}
	for _, v := range board.Templating.List {
		if q, ok := v.Query.(map[string]any); ok {
			queries["variable "+v.Name] = append(queries["variable "+v.Name], q["query"].(string))
		}
	}
	if len(queries) < 10 {
		t.Fatalf("%d queries", len(queries))
	}
	return queries
}

// Prometheus can parse every query of the dashboard.
func TestDashboardQueriesParse(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: x\n  rules:\n")
	for title, exprs := range dashboardQueries(t) {
		if strings.HasPrefix(title, "variable ") {
			continue
		}
		for _, expr := range exprs {
			expr = strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$profile", ".*").Replace(expr)
			text, _ := json.Marshal(expr)
			rules.WriteString("  - { record: 'x', expr: " + string(text) + " }\n")
		}
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "", "check", "rules", "--lint=none", path)
}
