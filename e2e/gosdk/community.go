package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	community "github.com/sashabaranov/go-openai"
)

type reportSchema struct{}

func (reportSchema) MarshalJSON() ([]byte, error) { return json.Marshal(report) }

// communityCases are those of go-openai, which speaks chat only.
func communityCases() map[string]runCase {
	config := community.DefaultConfig(os.Getenv("OPENAI_API_KEY"))
	config.BaseURL = os.Getenv("OPENAI_BASE_URL")
	c := &communityClient{community.NewClientWithConfig(config)}
	return map[string]runCase{
		"models": c.models, "chat-plain": c.plain, "chat-stream": c.stream,
		"chat-tool": c.tool, "chat-struct": c.structured,
	}
}

type communityClient struct{ *community.Client }

func communityRequest(prompt string) community.ChatCompletionRequest {
	return community.ChatCompletionRequest{Model: model, Messages: []community.ChatCompletionMessage{
		{Role: community.ChatMessageRoleSystem, Content: "Be kind."},
		{Role: community.ChatMessageRoleUser, Content: prompt},
	}}
}

func (c *communityClient) models(ctx context.Context, _ string) (said, error) {
	list, err := c.ListModels(ctx)
	if err != nil {
		return said{}, err
	}
	var s said
	for _, m := range list.Models {
		s.Models = append(s.Models, m.ID)
	}
	one, err := c.GetModel(ctx, s.Models[0])
	s.Text = one.ID
	return s, err
}

func (c *communityClient) ask(ctx context.Context, request community.ChatCompletionRequest) (community.ChatCompletionMessage, said, error) {
	made, err := c.CreateChatCompletion(ctx, request)
	if err != nil {
		return community.ChatCompletionMessage{}, said{}, err
	}
	choice := made.Choices[0]
	return choice.Message, said{Text: choice.Message.Content, Finish: string(choice.FinishReason), Tokens: int64(made.Usage.TotalTokens)}, nil
}

func (c *communityClient) plain(ctx context.Context, prompt string) (said, error) {
	_, s, err := c.ask(ctx, communityRequest(prompt))
	return s, err
}

func (c *communityClient) stream(ctx context.Context, prompt string) (said, error) {
	request := communityRequest(prompt)
	request.StreamOptions = &community.StreamOptions{IncludeUsage: true}
	stream, err := c.CreateChatCompletionStream(ctx, request)
	if err != nil {
		return said{}, err
	}
	defer stream.Close()
	var s said
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if chunk.Usage != nil {
			s.Tokens = int64(chunk.Usage.TotalTokens)
		}
		for _, choice := range chunk.Choices {
			s.Text += choice.Delta.Content
			if choice.FinishReason != "" {
				s.Finish = string(choice.FinishReason)
			}
		}
	}
}

func (c *communityClient) tool(ctx context.Context, prompt string) (said, error) {
	request := communityRequest(prompt)
	request.Tools = []community.Tool{{Type: community.ToolTypeFunction, Function: &community.FunctionDefinition{Name: "get_weather", Parameters: weather}}}
	message, _, err := c.ask(ctx, request)
	if err != nil {
		return said{}, err
	}
	request.Messages = append(request.Messages, message)
	var calls []string
	for _, call := range message.ToolCalls {
		calls = append(calls, call.Function.Arguments)
		request.Messages = append(request.Messages, community.ChatCompletionMessage{Role: community.ChatMessageRoleTool, ToolCallID: call.ID, Content: "warm"})
	}
	_, s, err := c.ask(ctx, request)
	s.Calls = calls
	return s, err
}

func (c *communityClient) structured(ctx context.Context, prompt string) (said, error) {
	request := communityRequest(prompt)
	request.ResponseFormat = &community.ChatCompletionResponseFormat{
		Type:       community.ChatCompletionResponseFormatTypeJSONSchema,
		JSONSchema: &community.ChatCompletionResponseFormatJSONSchema{Name: "report", Schema: reportSchema{}, Strict: true},
	}
	_, s, err := c.ask(ctx, request)
	return said{Object: json.RawMessage(s.Text)}, err
}

func communityFailure(err error) *failure {
	f := &failure{Class: fmt.Sprintf("%T", err), Message: err.Error()}
	var refused *community.APIError
	if errors.As(err, &refused) {
		f.Code, f.Status = fmt.Sprint(refused.Code), refused.HTTPStatusCode
	}
	return f
}
