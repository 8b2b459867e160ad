package rig

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"
)

// NodeProgram is a command that runs one of the programs in sdk/.
func NodeProgram(t testing.TB, name string) []string {
	t.Helper()
	command := NodeSDK(t)
	command[len(command)-1] = filepath.Join(moduleDir(), "sdk", name)
	return command
}

// GoProgram builds the program in gosdk/; the first time takes minutes.
func GoProgram(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "gosdk")
	build := exec.Command("go", "build", "-o", path, "./gosdk")
	build.Dir = moduleDir()
	if out, err := build.CombinedOutput(); err != nil {
		unavailable(t, "the SDKs for Go can't be built; e2e/run.sh fetches them: %v\n%s", err, out)
	}
	return path
}

// Came is what came of a case, as the programs in sdk/ and gosdk/ tell it.
type Came struct {
	Text, Finish string
	Tokens       int
	Calls        []string
	Object       map[string]any
	Models       []string
	Error        *SDKError
}

// Do has a program do a case.
func (talk *Talk) Do(t testing.TB, name, prompt string) Came {
	t.Helper()
	task, err := json.Marshal(map[string]string{"case": name, "prompt": prompt})
	if err != nil {
		t.Fatal(err)
	}
	talk.Say(t, string(task))
	var came Came
	line := talk.Hear(t)
	if err := json.Unmarshal([]byte(line), &came); err != nil {
		t.Fatalf("the program printed no JSON: %q", line)
	}
	return came
}
