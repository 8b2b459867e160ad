package sandbox_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"codexauth/sandbox"
)

func (r *rig) control(body string) reply {
	r.t.Helper()
	return r.do("POST", "/sandbox/control", "application/json", body, "X-Sandbox-Key", r.ControlKey())
}

// The queue comes before the script of a prompt, and that before the default.
func TestControlOfAnswers(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	says := func(script, want string) {
		t.Helper()
		if got := r.scripted(script, "").want(t, 200, "").text; !strings.Contains(got, `"text":"`+want+`"`) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	state := r.control(`{"default_answer":"text otherwise","answers":["text first","text second"]}`).want(t, 200, "").fields(t)
	if state["answers"] != 2.0 {
		t.Errorf("%v answers wait", state["answers"])
	}
	says("text mine", "first")
	says("", "second")
	says("text mine", "mine")
	says("", "otherwise")
	r.control(`{"answers":["text third"],"default_answer":""}`).want(t, 200, "")
	r.control(`{"clear_answers":true}`).want(t, 200, "")
	says("", "hello")
	r.control(`{"answers":["sing"]}`).want(t, 400, "invalid_request")
	r.control(`{"answers":["tool f {}; next; text hi"]}`).want(t, 400, "invalid_request")
	r.control(`{"default_answer":"sing"}`).want(t, 400, "invalid_request")
	says("", "hello")
}

// The list of models changes while the sandbox runs, and with it its tag and
// what is refused.
func TestModelsChange(t *testing.T) {
	r := newRig(t, sandbox.Config{})
	login := r.Issue(sandbox.User{})
	auth := []string{"Authorization", "Bearer " + login.AccessToken, "chatgpt-account-id", login.AccountID}
	list := func(tag string) reply {
		return r.get("/backend-api/codex/models?client_version=0.169.0", append(auth, "If-None-Match", tag)...)
	}
	tag := list("").want(t, 200, "").Header.Get("ETag")
	if res := list(`"x", `+tag).want(t, 304, ""); res.text != "" {
		t.Errorf("304 with a body: %q", res.text)
	}
	spark := list("").fields(t)["models"].([]any)[7].(map[string]any)
	if spark["slug"] != "gpt-5.3-codex-spark" || spark["supports_reasoning_summary_parameter"] != false || spark["supported_in_api"] != false || len(spark["input_modalities"].([]any)) != 1 {
		t.Errorf("spark is listed as %v", spark)
	}
	r.control(`{"models":[{"slug":"gpt-9","efforts":["low"]}]}`).want(t, 200, "")
	if now := list(tag).want(t, 200, "").Header.Get("ETag"); now == tag {
		t.Error("another list has the same tag")
	}
	r.ask(login, string(with(t, `{}`))).want(t, 400, "")
	r.ask(login, string(with(t, `{"model":"gpt-9","reasoning":{"effort":"low"}}`))).want(t, 200, "")
	r.ask(login, string(with(t, `{"model":"gpt-9","reasoning":{"effort":"high"}}`))).want(t, 400, "unsupported_value")
	r.ask(login, string(with(t, `{"model":"gpt-9","text":{"verbosity":"low"}}`))).want(t, 400, "unsupported_parameter")
	r.control(`{"models":[{"slug":"a"},{"slug":"a"}]}`).want(t, 400, "invalid_request")
	r.control(`{"models":[{}]}`).want(t, 400, "invalid_request")
	r.control(`{"models":[]}`).want(t, 200, "")
	lite := append(auth, "x-openai-internal-codex-responses-lite", "true")
	r.do("POST", "/backend-api/codex/responses", "application/json", string(with(t, `{}`)), lite...).want(t, 400, "")
	r.do("POST", "/backend-api/codex/responses", "application/json", string(with(t, `{"model":"gpt-5.6-sol"}`)), lite...).want(t, 200, "")
}

// Seeded sandboxes answer alike.
func TestSeededAnswers(t *testing.T) {
	var answers []string
	for range 2 {
		r := newRig(t, sandbox.Config{Seed: 7})
		text := r.scripted("reasoning x; tool f {}; text y", `{"include":["reasoning.encrypted_content"]}`).want(t, 200, "").text
		_, text, _ = strings.Cut(text, "response.output_item.added")
		text, _, _ = strings.Cut(text, "responsesapi.timing") // what follows has the time
		answers = append(answers, text)
	}
	if answers[0] != answers[1] || answers[0] == "" {
		t.Errorf("%s\n\n%s", answers[0], answers[1])
	}
}

// The transcript of docs/sandbox.md is what a shell sees.
func TestTranscript(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the transcript needs %s: %v", tool, err)
		}
	}
	doc, err := os.ReadFile("../docs/sandbox.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(doc), "<!-- transcript -->\n```\n")
	transcript, _, found := strings.Cut(rest, "\n```")
	if !found {
		t.Fatal("docs/sandbox.md has no transcript")
	}
	r := newRig(t, sandbox.Config{})
	login := r.Issue(sandbox.User{})
	var script, want []string
	for line := range strings.SplitSeq(transcript, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			script = append(script, command)
		} else {
			want = append(want, line)
		}
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", strings.Join(script, "\n"))
	cmd.Env = append(os.Environ(), "no_proxy=127.0.0.1", "ISSUER="+r.URL(), "KEY="+r.ControlKey(), "TOKEN="+login.AccessToken, "ACCOUNT="+login.AccountID)
	got, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(got)) != strings.TrimSpace(strings.Join(want, "\n")) {
		t.Errorf("%v\n%s\nwant\n%s", err, got, strings.Join(want, "\n"))
	}
}
