// The OpenAI SDK for Node; drive.mjs says how.
import OpenAI from 'openai';
import { drive, model, report, weather } from './drive.mjs';

const client = new OpenAI();
const format = { name: 'report', schema: report, strict: true };

const chat = (prompt) => ({ model, messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user', content: prompt }] });
const chatTool = { type: 'function', function: weather };
const responses = (prompt) => ({ model, input: prompt });
const responsesTool = { type: 'function', ...weather, strict: true };

async function chatConversation(prompt, ask) {
  const body = { ...chat(prompt), tools: [chatTool] };
  const first = await ask(body);
  const calls = first.choices[0].message.tool_calls ?? [];
  body.messages.push(first.choices[0].message, ...calls.map((c) => ({ role: 'tool', tool_call_id: c.id, content: 'warm' })));
  const second = await ask(body);
  return { text: second.choices[0].message.content, calls: calls.map((c) => c.function.arguments), finish: first.choices[0].finish_reason };
}

async function responsesConversation(prompt, ask) {
  const input = [{ role: 'user', content: prompt }];
  const body = { model, input, tools: [responsesTool] };
  const first = await ask(body);
  const calls = first.output.filter((item) => item.type === 'function_call');
  input.push(...first.output, ...calls.map((c) => ({ type: 'function_call_output', call_id: c.call_id, output: 'warm' })));
  const second = await ask(body);
  return { text: second.output_text, calls: calls.map((c) => c.arguments) };
}

await drive({
  async models() {
    const ids = [];
    for await (const one of client.models.list()) ids.push(one.id);
    return { models: ids, text: (await client.models.retrieve(ids[0])).id };
  },
  async 'chat-plain'(prompt) {
    const made = await client.chat.completions.create(chat(prompt));
    return { text: made.choices[0].message.content, finish: made.choices[0].finish_reason, tokens: made.usage.total_tokens };
  },
  async 'chat-stream'(prompt) {
    let text = '', tokens = 0, finish;
    for await (const chunk of await client.chat.completions.create({ ...chat(prompt), stream: true, stream_options: { include_usage: true } })) {
      text += chunk.choices[0]?.delta.content ?? '';
      finish = chunk.choices[0]?.finish_reason ?? finish;
      tokens = chunk.usage?.total_tokens ?? tokens;
    }
    return { text, finish, tokens };
  },
  // The helper checks the order of all that comes.
  async 'chat-helper'(prompt) {
    const made = await client.chat.completions.stream(chat(prompt)).finalChatCompletion();
    return { text: made.choices[0].message.content, finish: made.choices[0].finish_reason };
  },
  'chat-tool': (prompt) => chatConversation(prompt, (body) => client.chat.completions.create(body)),
  'chat-toolstream': (prompt) => chatConversation(prompt, (body) => client.chat.completions.stream(body).finalChatCompletion()),
  async 'chat-struct'(prompt) {
    const made = await client.chat.completions.parse({ ...chat(prompt), response_format: { type: 'json_schema', json_schema: format } });
    return { object: JSON.parse(made.choices[0].message.content) };
  },
  async 'responses-plain'(prompt) {
    const made = await client.responses.create(responses(prompt));
    return { text: made.output_text, finish: made.status, tokens: made.usage.total_tokens };
  },
  async 'responses-stream'(prompt) {
    let text = '', finish, tokens;
    for await (const event of await client.responses.create({ ...responses(prompt), stream: true })) {
      if (event.type === 'response.output_text.delta') text += event.delta;
      if (event.type === 'response.completed') [finish, tokens] = [event.response.status, event.response.usage.total_tokens];
    }
    return { text, finish, tokens };
  },
  async 'responses-helper'(prompt) {
    const made = await client.responses.stream(responses(prompt)).finalResponse();
    return { text: made.output_text, finish: made.status };
  },
  'responses-tool': (prompt) => responsesConversation(prompt, (body) => client.responses.create(body)),
  'responses-toolstream': (prompt) => responsesConversation(prompt, (body) => client.responses.stream(body).finalResponse()),
  async 'responses-struct'(prompt) {
    const made = await client.responses.parse({ ...responses(prompt), text: { format: { type: 'json_schema', ...format } } });
    return { object: JSON.parse(made.output_text) };
  },
});
