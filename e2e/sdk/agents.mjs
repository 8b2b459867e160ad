// The Agents SDK with both APIs; drive.mjs says how.
import { Agent, run, setOpenAIAPI, setTracingDisabled, tool } from '@openai/agents';
import { z } from 'zod';
import { drive, model, weather } from './drive.mjs';

setTracingDisabled(true); // it goes to OpenAI's own address

const called = [];
const getWeather = tool({
  name: weather.name, description: weather.description, parameters: z.object({ city: z.string() }),
  execute: async (input) => (called.push(JSON.stringify(input)), 'warm'),
});
const report = z.object({ city: z.string(), degrees: z.number() });

async function ask(prompt, { stream = false, ...more } = {}) {
  called.length = 0;
  const agent = new Agent({ name: 'helper', instructions: 'Be kind.', model, ...more });
  const result = await run(agent, prompt, { stream });
  if (stream) {
    let text = '';
    for await (const part of result.toTextStream()) text += part;
    await result.completed;
    if (!more.tools && text !== result.finalOutput) throw new Error('the parts are not the whole');
  }
  return result.finalOutput;
}

const cases = {};
for (const [api, name] of Object.entries({ responses: 'responses', chat: 'chat_completions' })) {
  const one = (options, result) => async (prompt) => {
    setOpenAIAPI(name);
    return result(await ask(prompt, options));
  };
  const text = (said) => ({ text: said });
  const conversation = (said) => ({ text: said, calls: [...called] });
  Object.assign(cases, {
    [`${api}-plain`]: one({}, text),
    [`${api}-stream`]: one({ stream: true }, text),
    [`${api}-tool`]: one({ tools: [getWeather] }, conversation),
    [`${api}-toolstream`]: one({ tools: [getWeather], stream: true }, conversation),
    [`${api}-struct`]: one({ outputType: report }, (object) => ({ object })),
  });
}
await drive(cases);
