// What the programs beside this one have in common: each takes lines of JSON such
// as {"case":"chat-tool","prompt":"…"}, does what is asked with its SDK as anybody
// might, and says in a line of JSON what came of it. Base URL and key come from the
// environment.
import { createInterface } from 'node:readline';

const print = (object) => console.log(JSON.stringify(object));

// An SDK may wrap the error that tells what happened.
function innermost(error) {
  return error.lastError ?? error.error?.cause ?? error;
}

function tell(error) {
  const { name, message, code, param } = innermost(error);
  const inner = innermost(error);
  return { class: inner.constructor?.name ?? name, message: message ?? String(error), code, param, status: inner.status ?? inner.statusCode };
}

export const weather = {
  name: 'get_weather',
  description: 'The weather in a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string' } },
    required: ['city'],
    additionalProperties: false,
  },
};

export const report = {
  type: 'object',
  properties: { city: { type: 'string' }, degrees: { type: 'number' } },
  required: ['city', 'degrees'],
  additionalProperties: false,
};

export const model = 'gpt-5.5';

export async function drive(cases) {
  for await (const line of createInterface({ input: process.stdin })) {
    const { case: name, prompt } = JSON.parse(line);
    try {
      if (!cases[name]) throw new Error(`there is no case ${name}`);
      print(await cases[name](prompt));
    } catch (error) {
      print({ error: tell(error) });
    }
  }
}
