// A foreign authorization server on loopback, for tests.
//
//   node server.mjs [--access-token-ttl SECONDS] [--redirect-uri URI]...
//
// When it listens it prints one line of JSON on standard output:
//   {"issuer": URL, "control": URL, "control_key": KEY}
// It ends when its standard input does, so it never outlives its test.
//
// The control endpoint wants the key in the header X-Control-Key:
//   GET    /counters   what happened so far (record.mjs names the counters)
//   DELETE /counters   start from zero
//   GET    /requests   every token request: when, which grant, which status
//   PUT    /fault      arm a fault (record.mjs describes it); DELETE disarms
//   PUT    /settings   {"access_token_ttl": SECONDS}
import { randomBytes, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { Store } from './adapter.mjs';
import { jsonBody } from './body.mjs';
import { newIssuer } from './issuer.mjs';
import { Faults, Recorder } from './record.mjs';

console.info = console.error; // standard output is for the one line alone

const REDIRECT_URIS = [1455, 1457].flatMap((port) => [
  `http://localhost:${port}/auth/callback`,
  `http://127.0.0.1:${port}/auth/callback`,
]);

const { values: flags } = parseArgs({
  options: {
    'access-token-ttl': { type: 'string', default: '3600' },
    'redirect-uri': { type: 'string', multiple: true, default: REDIRECT_URIS },
  },
});

function seconds(value) {
  const n = Number(value);
  if (!Number.isInteger(n) || n < 1) throw new TypeError(`access_token_ttl must be a whole number of seconds, not ${value}`);
  return n;
}

async function listen() {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

function control(key, routes) {
  const wanted = Buffer.from(key);
  const authorized = (req) => {
    const shown = Buffer.from(req.headers['x-control-key'] ?? '');
    return !req.headers.origin && shown.length === wanted.length && timingSafeEqual(shown, wanted);
  };
  return async (req, res) => {
    const route = routes[`${req.method} ${req.url}`];
    let status = 200;
    let answer;
    if (!authorized(req)) [status, answer] = [403, { error: 'wrong control key' }];
    else if (!route) [status, answer] = [404, { error: 'no such control' }];
    else {
      try {
        answer = (await route(await jsonBody(req))) ?? {};
      } catch (err) {
        [status, answer] = [400, { error: err.message }];
      }
    }
    res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
  };
}

const settings = { access_token_ttl: seconds(flags['access-token-ttl']) };
const recorder = new Recorder();
const store = new Store(() => recorder.count('revoked_grants'));
const faults = new Faults();

const issuer = await listen();
const provider = newIssuer(issuer.url, {
  redirectURIs: flags['redirect-uri'], settings, store, recorder, faults,
});
issuer.server.on('request', provider.callback());

const controlKey = randomBytes(24).toString('base64url');
const controller = await listen();
controller.server.on('request', control(controlKey, {
  'GET /counters': () => recorder.counters,
  'DELETE /counters': () => recorder.reset(),
  'GET /requests': () => recorder.log,
  'PUT /fault': (fault) => faults.arm(fault),
  'DELETE /fault': () => faults.disarm(),
  'PUT /settings': ({ access_token_ttl: ttl }) => { settings.access_token_ttl = seconds(ttl); },
}));

process.stdin.resume().on('end', () => process.exit(0)).on('error', () => process.exit(0));
console.log(JSON.stringify({ issuer: issuer.url, control: controller.url, control_key: controlKey }));
