// Command openai asks the backend with the official SDK, github.com/openai/openai-go,
// on a Manager's *http.Client: the Manager puts the credentials in, refreshes
// ahead of time, and recovers from a 401.
//
//	codexauth login
//	go run ./openai MODEL "What is a single-use refresh token?"
//
// The backend takes the Responses API with a list as input, store: false and
// stream: true. Other fields, such as max_output_tokens or previous_response_id,
// it refuses.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"codexauth"
	"codexauth/store/file"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: openai MODEL PROMPT")
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
	client := newClient(manager.Client(), manager.BackendURL())
	if err := ask(context.Background(), client, os.Args[1], os.Args[2], os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// newClient is the SDK on an *http.Client that puts the credentials in: a
// Manager's before the backend, or a broker client's before the broker.
func newClient(hc *http.Client, baseURL string) openai.Client {
	return openai.NewClient(
		option.WithBaseURL(baseURL),
		option.WithHTTPClient(hc),
		option.WithAPIKey("put-in-by-the-http-client"), // or the SDK looks for one in the environment
	)
}

// ask streams one answer to w.
func ask(ctx context.Context, client openai.Client, model, prompt string, w io.Writer) error {
	stream := client.Responses.NewStreaming(ctx, responses.ResponseNewParams{
		Model: model,
		Input: responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
			responses.ResponseInputItemParamOfMessage(prompt, responses.EasyInputMessageRoleUser),
		}},
		Store:   openai.Bool(false), // the backend keeps nothing, and refuses true
		Include: []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent},
	})
	defer stream.Close()
	for stream.Next() {
		if event := stream.Current(); event.Type == "response.output_text.delta" {
			fmt.Fprint(w, event.Delta)
		}
	}
	fmt.Fprintln(w)
	return stream.Err()
}

// models lists what there is to ask.
func models(ctx context.Context, client openai.Client) (names []string, err error) {
	page, err := client.Models.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range page.Data {
		names = append(names, m.ID)
	}
	return names, nil
}
