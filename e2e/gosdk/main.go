// Command gosdk uses the OpenAI SDK for Go, and go-openai, as anybody might. It
// takes lines of JSON such as {"case":"chat-tool","prompt":"…"}, and says in a line
// of JSON what came of it. Base URL and key come from the environment.
//
//	gosdk openai-go|go-openai
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
)

const model = "gpt-5.5"

// A said is what came of a case.
type said struct {
	Text   string          `json:"text,omitempty"`
	Finish string          `json:"finish,omitempty"`
	Tokens int64           `json:"tokens,omitempty"`
	Calls  []string        `json:"calls,omitempty"`
	Object json.RawMessage `json:"object,omitempty"`
	Models []string        `json:"models,omitempty"`
	Error  *failure        `json:"error,omitempty"`
}

type failure struct {
	Class   string `json:"class"`
	Message string `json:"message"`
	Code    string `json:"code"`
	Status  int    `json:"status"`
}

type runCase func(ctx context.Context, prompt string) (said, error)

var (
	weather = map[string]any{
		"type": "object", "properties": map[string]any{"city": map[string]any{"type": "string"}},
		"required": []string{"city"}, "additionalProperties": false,
	}
	report = map[string]any{
		"type": "object",
		"properties": map[string]any{
			"city": map[string]any{"type": "string"}, "degrees": map[string]any{"type": "number"},
		},
		"required": []string{"city", "degrees"}, "additionalProperties": false,
	}
)

func main() {
	cases, fail := officialCases(), officialFailure
	if os.Args[1] == "go-openai" {
		cases, fail = communityCases(), communityFailure
	}
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var task struct{ Case, Prompt string }
		if err := json.Unmarshal(lines.Bytes(), &task); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		run := cases[task.Case]
		if run == nil {
			fmt.Fprintf(os.Stderr, "there is no case %s\n", task.Case)
			os.Exit(1)
		}
		result, err := run(context.Background(), task.Prompt)
		if err != nil {
			result = said{Error: fail(err)}
		}
		out.Encode(result)
	}
}
