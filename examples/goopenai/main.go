// Command goopenai asks with github.com/sashabaranov/go-openai in its defaults, on
// a Manager: chat completions, streamed and not, and tools. There is no broker and
// no key.
//
//	codexauth login
//	go run ./goopenai MODEL "What is a single-use refresh token?"
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	sdk "github.com/sashabaranov/go-openai"

	"codexauth"
	"codexauth/openai"
	"codexauth/store/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: goopenai MODEL PROMPT")
	}
	store, err := file.Default()
	if err != nil {
		log.Fatal(err)
	}
	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	defer manager.Close()
	if err := stream(context.Background(), newClient(manager), os.Args[1], os.Args[2], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// newClient is the SDK on a Manager.
func newClient(m *codexauth.Manager) *sdk.Client {
	cfg := sdk.DefaultConfig("put-in-by-the-manager")
	cfg.HTTPClient = &http.Client{Transport: openai.NewTransport(m.Transport(nil), m.BackendURL())}
	return sdk.NewClientWithConfig(cfg)
}

func ask(model, prompt string) sdk.ChatCompletionRequest {
	return sdk.ChatCompletionRequest{Model: model, Messages: []sdk.ChatCompletionMessage{{Role: sdk.ChatMessageRoleUser, Content: prompt}}}
}

// stream writes an answer as it comes.
func stream(ctx context.Context, c *sdk.Client, model, prompt string, w io.Writer) error {
	s, err := c.CreateChatCompletionStream(ctx, ask(model, prompt))
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		chunk, err := s.Recv()
		if errors.Is(err, io.EOF) {
			fmt.Fprintln(w)
			return nil
		}
		if err != nil {
			return err
		}
		for _, choice := range chunk.Choices {
			fmt.Fprint(w, choice.Delta.Content)
		}
	}
}

// answer returns an answer that is whole.
func answer(ctx context.Context, c *sdk.Client, model, prompt string) (string, error) {
	a, err := c.CreateChatCompletion(ctx, ask(model, prompt))
	if err != nil {
		return "", err
	}
	return a.Choices[0].Message.Content, nil
}

// withTool lets the model call weather, and returns what it makes of the outcome.
func withTool(ctx context.Context, c *sdk.Client, model, prompt string, weather func(arguments string) string) (string, error) {
	req := ask(model, prompt)
	req.Tools = []sdk.Tool{{Type: sdk.ToolTypeFunction, Function: &sdk.FunctionDefinition{
		Name: "get_weather",
		Parameters: map[string]any{
			"type": "object", "properties": map[string]any{"city": map[string]string{"type": "string"}}, "required": []string{"city"},
		},
	}}}
	for range 5 {
		a, err := c.CreateChatCompletion(ctx, req)
		if err != nil {
			return "", err
		}
		said := a.Choices[0].Message
		if len(said.ToolCalls) == 0 {
			return said.Content, nil
		}
		req.Messages = append(req.Messages, said)
		for _, call := range said.ToolCalls {
			req.Messages = append(req.Messages, sdk.ChatCompletionMessage{Role: sdk.ChatMessageRoleTool, ToolCallID: call.ID, Content: weather(call.Function.Arguments)})
		}
	}
	return "", errors.New("the model calls the tool again and again")
}
