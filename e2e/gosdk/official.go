package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// officialCases are those of openai-go. Its errors print their status only, and
// have the message in a field.
func officialCases() map[string]runCase {
	c := &officialClient{openai.NewClient()}
	return map[string]runCase{
		"models":     c.models,
		"chat-plain": c.chatPlain, "chat-stream": c.chatStream, "chat-tool": c.chatTool, "chat-struct": c.chatStruct,
		"responses-plain": c.plain, "responses-stream": c.stream, "responses-tool": c.tool, "responses-struct": c.structured,
	}
}

type officialClient struct{ openai.Client }

func (c *officialClient) models(ctx context.Context, _ string) (said, error) {
	var s said
	pages := c.Models.ListAutoPaging(ctx)
	for pages.Next() {
		s.Models = append(s.Models, pages.Current().ID)
	}
	if pages.Err() != nil {
		return s, pages.Err()
	}
	one, err := c.Models.Get(ctx, s.Models[0])
	if err == nil {
		s.Text = one.ID
	}
	return s, err
}

func chatRequest(prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{Model: model, Messages: []openai.ChatCompletionMessageParamUnion{
		openai.SystemMessage("Be kind."), openai.UserMessage(prompt),
	}}
}

func (c *officialClient) askChat(ctx context.Context, request openai.ChatCompletionNewParams) (openai.ChatCompletionMessage, said, error) {
	made, err := c.Chat.Completions.New(ctx, request)
	if err != nil {
		return openai.ChatCompletionMessage{}, said{}, err
	}
	choice := made.Choices[0]
	return choice.Message, said{Text: choice.Message.Content, Finish: choice.FinishReason, Tokens: made.Usage.TotalTokens}, nil
}

func (c *officialClient) chatPlain(ctx context.Context, prompt string) (said, error) {
	_, s, err := c.askChat(ctx, chatRequest(prompt))
	return s, err
}

func (c *officialClient) chatStream(ctx context.Context, prompt string) (said, error) {
	request := chatRequest(prompt)
	request.StreamOptions.IncludeUsage = openai.Bool(true)
	stream := c.Chat.Completions.NewStreaming(ctx, request)
	defer stream.Close()
	var all openai.ChatCompletionAccumulator
	for stream.Next() {
		if !all.AddChunk(stream.Current()) {
			return said{}, errors.New("the accumulator refuses a chunk")
		}
	}
	if err := stream.Err(); err != nil {
		return said{}, err
	}
	choice := all.Choices[0]
	return said{Text: choice.Message.Content, Finish: choice.FinishReason, Tokens: all.Usage.TotalTokens}, nil
}

func (c *officialClient) chatTool(ctx context.Context, prompt string) (said, error) {
	request := chatRequest(prompt)
	request.Tools = []openai.ChatCompletionToolUnionParam{
		openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: "get_weather", Parameters: weather}),
	}
	message, _, err := c.askChat(ctx, request)
	if err != nil {
		return said{}, err
	}
	request.Messages = append(request.Messages, message.ToParam())
	var calls []string
	for _, call := range message.ToolCalls {
		calls = append(calls, call.Function.Arguments)
		request.Messages = append(request.Messages, openai.ToolMessage("warm", call.ID))
	}
	_, s, err := c.askChat(ctx, request)
	s.Calls = calls
	return s, err
}

func (c *officialClient) chatStruct(ctx context.Context, prompt string) (said, error) {
	request := chatRequest(prompt)
	request.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "report", Schema: report, Strict: openai.Bool(true)},
	}
	_, s, err := c.askChat(ctx, request)
	return said{Object: json.RawMessage(s.Text)}, err
}

func request(prompt string) responses.ResponseNewParams {
	return responses.ResponseNewParams{Model: model, Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)}}
}

func (c *officialClient) plain(ctx context.Context, prompt string) (said, error) {
	made, err := c.Responses.New(ctx, request(prompt))
	if err != nil {
		return said{}, err
	}
	return said{Text: made.OutputText(), Finish: string(made.Status), Tokens: made.Usage.TotalTokens}, nil
}

func (c *officialClient) stream(ctx context.Context, prompt string) (said, error) {
	stream := c.Responses.NewStreaming(ctx, request(prompt))
	defer stream.Close()
	var s said
	for stream.Next() {
		if event := stream.Current(); event.Type == "response.completed" {
			s = said{Text: event.Response.OutputText(), Finish: string(event.Response.Status), Tokens: event.Response.Usage.TotalTokens}
		}
	}
	return s, stream.Err()
}

// tool goes on from the first answer by its id, as the API's own guide does.
func (c *officialClient) tool(ctx context.Context, prompt string) (said, error) {
	ask := request(prompt)
	ask.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction("get_weather", weather, true)}
	first, err := c.Responses.New(ctx, ask)
	if err != nil {
		return said{}, err
	}
	var calls []string
	var results responses.ResponseInputParam
	for _, item := range first.Output {
		if item.Type != "function_call" {
			continue
		}
		call := item.AsFunctionCall()
		calls = append(calls, call.Arguments)
		results = append(results, responses.ResponseInputItemUnionParam{
			OfFunctionCallOutput: &responses.ResponseInputItemFunctionCallOutputParam{
				CallID: openai.String(call.CallID),
				Output: responses.ResponseInputItemFunctionCallOutputOutputUnionParam{OfString: openai.String("warm")},
			},
		})
	}
	ask.PreviousResponseID = openai.String(first.ID)
	ask.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: results}
	second, err := c.Responses.New(ctx, ask)
	if err != nil {
		return said{}, err
	}
	return said{Text: second.OutputText(), Calls: calls}, nil
}

func (c *officialClient) structured(ctx context.Context, prompt string) (said, error) {
	ask := request(prompt)
	ask.Text.Format = responses.ResponseFormatTextConfigParamOfJSONSchema("report", report)
	made, err := c.Responses.New(ctx, ask)
	if err != nil {
		return said{}, err
	}
	return said{Object: json.RawMessage(made.OutputText())}, nil
}

func officialFailure(err error) *failure {
	f := &failure{Class: fmt.Sprintf("%T", err), Message: err.Error()}
	var refused *openai.Error
	if errors.As(err, &refused) {
		f.Code, f.Status, f.Message = refused.Code, refused.StatusCode, refused.Message
	}
	return f
}
