// The AI SDK with its providers for OpenAI's Responses, for chat, and for servers
// that are compatible; drive.mjs says how.
import { generateText, jsonSchema, Output, stepCountIs, streamText, tool } from 'ai';
import { openai } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { drive, model, report, weather } from './drive.mjs';

const compatible = createOpenAICompatible({
  name: 'codexauth', baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, supportsStructuredOutputs: true,
});
const apis = { responses: openai(model), chat: openai.chat(model), compatible: compatible(model) };

const called = [];
const tools = {
  [weather.name]: tool({
    description: weather.description, inputSchema: jsonSchema(weather.parameters),
    execute: async (input) => (called.push(JSON.stringify(input)), 'warm'),
  }),
};

// streamText tells errors to a callback, and to whoever reads all of the stream.
async function streamed(request) {
  let failure;
  const result = streamText({ ...request, onError: ({ error }) => { failure ??= error; } });
  let text = '', finish, tokens;
  for await (const part of result.fullStream) {
    if (part.type === 'text-delta') text += part.text;
    if (part.type === 'error') failure ??= part.error;
    if (part.type === 'finish') [finish, tokens] = [part.finishReason, part.totalUsage.totalTokens];
  }
  if (failure) throw failure;
  return { text, finish, tokens };
}

async function conversation(ask) {
  called.length = 0;
  const { text } = await ask();
  return { text, calls: [...called] };
}

const cases = {};
for (const [api, llm] of Object.entries(apis)) {
  const withTools = (prompt) => ({ model: llm, prompt, tools, stopWhen: stepCountIs(4) });
  Object.assign(cases, {
    async [`${api}-plain`](prompt) {
      const { text, finishReason, totalUsage } = await generateText({ model: llm, prompt });
      return { text, finish: finishReason, tokens: totalUsage.totalTokens };
    },
    [`${api}-stream`]: (prompt) => streamed({ model: llm, prompt }),
    [`${api}-tool`]: (prompt) => conversation(() => generateText(withTools(prompt))),
    [`${api}-toolstream`]: (prompt) => conversation(() => streamed(withTools(prompt))),
    async [`${api}-struct`](prompt) {
      const { output } = await generateText({ model: llm, prompt, output: Output.object({ schema: jsonSchema(report) }) });
      return { object: output };
    },
  });
}
await drive(cases);
