// Request bodies.

const LIMIT = 64 * 1024;

async function read(req) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > LIMIT) throw new Error('request body too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export const jsonBody = async (req) => JSON.parse((await read(req)) || '{}');

export const urlencodedBody = async (req) => new URLSearchParams(await read(req));
