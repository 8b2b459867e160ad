// Package openai puts OpenAI's public API in the terms of the Codex backend: what
// a program says on chat completions or Responses becomes the one request that the
// backend takes, and its errors and its list of models become OpenAI's. Nothing in
// a request is lost or changed in silence: it passes, it is mapped, it is left out
// and named in [Request.Dropped], or the request is refused with an [Error] that
// names the field. docs/openai.md has the table.
package openai
