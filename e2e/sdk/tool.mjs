// A program as anybody might write it with the OpenAI SDK: base URL and key come
// from the environment. It prints a line of JSON for whatever happens.
//
//   node tool.mjs models
//   node tool.mjs chat           a prompt a line; an empty line aborts the answer under way
//   node tool.mjs create JSON    one request, with these fields beside the usual ones
import { createInterface } from 'node:readline';
import OpenAI from 'openai';

const client = new OpenAI();
const print = (object) => console.log(JSON.stringify(object));

function printError(error) {
  const { status, code, type, param, message } = error;
  print({ error: { class: error.constructor.name, status, code, type, param, message } });
}

const prompt = (text) => ({
  model: 'gpt-sandbox',
  input: [{ role: 'user', content: [{ type: 'input_text', text }] }],
  instructions: 'Echo.',
  store: false,
  stream: true,
});

async function answer(text, signal) {
  let said = '';
  const stream = await client.responses.create(prompt(text), { signal });
  for await (const event of stream) {
    print({ event: event.type });
    if (event.type === 'response.output_text.delta') said += event.delta;
    if (event.type === 'response.completed') print({ said, id: event.response.id });
  }
  if (signal.aborted) print({ aborted: true });
}

async function chat() {
  let under;
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === '') {
      under?.abort();
      continue;
    }
    under = new AbortController();
    answer(line, under.signal).catch(printError);
  }
}

const [command, argument] = process.argv.slice(2);
try {
  switch (command) {
    case 'models': {
      const page = await client.models.list();
      const ids = [];
      for await (const model of page) ids.push(model.id);
      print({ models: ids });
      break;
    }
    case 'create': {
      const made = await client.responses.create({ ...prompt('hello'), ...JSON.parse(argument) });
      print({ said: made.output_text ?? null, stream: typeof made[Symbol.asyncIterator] === 'function' });
      made.controller?.abort();
      break;
    }
    case 'chat':
      await chat();
      break;
    default:
      throw new Error(`there is no command ${command}`);
  }
} catch (error) {
  printError(error);
}
