// Command chat asks with the official SDK, github.com/openai/openai-go, in its
// defaults: chat completions, streamed and not, and tools. A Transport puts its
// requests in the backend's terms, and the Manager below signs them; there is no
// broker and no key.
//
//	codexauth login
//	go run ./chat MODEL "What is a single-use refresh token?"
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	sdk "github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"codexauth"
	"codexauth/openai"
	"codexauth/store/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: chat MODEL PROMPT")
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
func newClient(m *codexauth.Manager) sdk.Client {
	hc := &http.Client{Transport: openai.NewTransport(m.Transport(nil), m.BackendURL())}
	return sdk.NewClient(option.WithHTTPClient(hc), option.WithAPIKey("put-in-by-the-manager"))
}

func ask(model, prompt string) sdk.ChatCompletionNewParams {
	return sdk.ChatCompletionNewParams{Model: model, Messages: []sdk.ChatCompletionMessageParamUnion{sdk.UserMessage(prompt)}}
}

// stream writes an answer as it comes.
func stream(ctx context.Context, c sdk.Client, model, prompt string, w io.Writer) error {
	s := c.Chat.Completions.NewStreaming(ctx, ask(model, prompt))
	defer s.Close()
	for s.Next() {
		for _, choice := range s.Current().Choices {
			fmt.Fprint(w, choice.Delta.Content)
		}
	}
	fmt.Fprintln(w)
	return s.Err()
}

// answer returns an answer that is whole.
func answer(ctx context.Context, c sdk.Client, model, prompt string) (string, error) {
	a, err := c.Chat.Completions.New(ctx, ask(model, prompt))
	if err != nil {
		return "", err
	}
	return a.Choices[0].Message.Content, nil
}

// withTool lets the model call weather, and returns what it makes of the outcome.
func withTool(ctx context.Context, c sdk.Client, model, prompt string, weather func(arguments string) string) (string, error) {
	params := ask(model, prompt)
	params.Tools = []sdk.ChatCompletionToolUnionParam{sdk.ChatCompletionFunctionTool(sdk.FunctionDefinitionParam{
		Name: "get_weather",
		Parameters: sdk.FunctionParameters{
			"type": "object", "properties": map[string]any{"city": map[string]string{"type": "string"}}, "required": []string{"city"},
		},
	})}
	for range 5 {
		a, err := c.Chat.Completions.New(ctx, params)
		if err != nil {
			return "", err
		}
		said := a.Choices[0].Message
		if len(said.ToolCalls) == 0 {
			return said.Content, nil
		}
		params.Messages = append(params.Messages, said.ToParam())
		for _, call := range said.ToolCalls {
			params.Messages = append(params.Messages, sdk.ToolMessage(weather(call.Function.Arguments), call.ID))
		}
	}
	return "", errors.New("the model calls the tool again and again")
}
