package openai

import (
	"strings"
	"testing"
)

func benchmark(b *testing.B, api API, body string) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(api, body); err != nil {
			b.Fatal(err)
		}
	}
}

// A recorded request of an agent, with its tools.
func BenchmarkParseRecorded(b *testing.B) {
	for _, r := range corpus(b) {
		if r.Name == "opencode/chat-tool.3" || r.Name == "codex169/resp-tool.2" {
			b.Run(r.Name, func(b *testing.B) { benchmark(b, r.api(), string(r.Body)) })
		}
	}
}

// A long conversation: a thousand turns of two kilobytes.
func BenchmarkParseLong(b *testing.B) {
	text := strings.Repeat(`a word and \"another\" `, 90)
	turns := strings.Repeat(`{"role":"user","content":"`+text+`"},{"role":"assistant","content":"`+text+`"},`, 500) + hi
	b.Run("chat", func(b *testing.B) { benchmark(b, ChatCompletions, messages(turns)) })
	b.Run("responses", func(b *testing.B) { benchmark(b, Responses, items(turns)) })
}

// An image of four megabytes.
func BenchmarkParseImage(b *testing.B) {
	body := messages(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("abcd", 1<<20) + `"}}]}`)
	benchmark(b, ChatCompletions, body)
}
