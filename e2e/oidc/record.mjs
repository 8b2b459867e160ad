// What the tests judge by: counters and a log of every token request, and the
// faults that are armed around the token endpoint.
import { setTimeout as sleep } from 'node:timers/promises';

const ZERO = {
  token_requests: 0, // requests that reached the token endpoint, faulted or not
  code_exchanges: 0, // codes exchanged for tokens
  refreshes: 0, // rotations: a refresh token spent, its successor issued
  reuses: 0, // a spent refresh token presented while its grant was alive
  code_replays: 0, // a spent code presented again
  dead_family: 0, // a refresh token presented after its grant was revoked
  refused: 0, // token requests answered with an OAuth error
  revoked_grants: 0, // grants that a reuse, a replay or a revocation ended
  revocation_requests: 0, // requests to the revocation endpoint
  revocations: 0, // of these, the ones that ended a live token
  max_in_flight: 0, // greatest number of token requests at once
};

export class Recorder {
  counters = { ...ZERO };
  log = [];
  #inFlight = 0;

  reset() {
    this.counters = { ...ZERO };
    this.log = [];
  }

  count(name) {
    this.counters[name] += 1;
  }

  /** request notes a token request; the entry gets its status when it is answered. */
  request(res) {
    this.count('token_requests');
    this.#inFlight += 1;
    this.counters.max_in_flight = Math.max(this.counters.max_in_flight, this.#inFlight);
    const entry = { at_ms: Date.now() };
    this.log.push(entry);
    res.once('close', () => { this.#inFlight -= 1; });
    return entry;
  }

  refusal(description, knownFamily) {
    this.count('refused');
    if (description === 'refresh token already used') this.count('reuses');
    else if (description === 'authorization code already consumed') this.count('code_replays');
    else if (knownFamily) this.count('dead_family');
  }
}

const FIELDS = {
  when: (v) => v === 'before' || v === 'after',
  delay_ms: (v) => Number.isInteger(v) && v >= 0,
  cut: (v) => typeof v === 'boolean',
  status: (v) => Number.isInteger(v) && v >= 200 && v < 600,
  retry_after: (v) => typeof v === 'string',
  html: (v) => typeof v === 'boolean',
  count: (v) => Number.isInteger(v) && v > 0,
};

/**
 * Faults of the token endpoint. One is armed at a time:
 *   when         "before" the request is handled (nothing is spent) or "after" (it was)
 *   delay_ms     wait first
 *   cut          then close the connection without an answer
 *   status       or answer with this instead, as JSON or, with html, as a page
 *   retry_after  a Retry-After header for that answer
 *   count        how many requests it strikes; without it, all until disarmed
 */
export class Faults {
  #armed;

  arm(fault) {
    for (const [name, value] of Object.entries(fault)) {
      if (!FIELDS[name]?.(value)) throw new TypeError(`bad fault: ${name} = ${JSON.stringify(value)}`);
    }
    if (!fault.when) throw new TypeError('bad fault: when is missing');
    this.#armed = { ...fault, left: fault.count ?? Infinity };
  }

  disarm() {
    this.#armed = undefined;
  }

  take() {
    const fault = this.#armed;
    if (!fault || fault.left <= 0) return undefined;
    fault.left -= 1;
    return fault;
  }

  /** around runs handle with the armed fault before or after it. */
  async around(ctx, handle) {
    const fault = this.take();
    if (fault?.when === 'before' && await strike(ctx, fault)) return;
    await handle();
    if (fault?.when === 'after') await strike(ctx, fault);
  }
}

// strike returns true if it has answered (or cut) the request.
async function strike(ctx, { delay_ms: delay, cut, status, html, retry_after: retryAfter }) {
  if (delay) await sleep(delay);
  if (cut) {
    ctx.respond = false;
    ctx.req.socket.destroy();
    return true;
  }
  if (!status) return false;
  ctx.remove('Content-Type');
  ctx.body = html
    ? '<!DOCTYPE html><title>Gateway</title><p>This is not the authorization server.</p>'
    : { error: status === 429 ? 'rate_limit_exceeded' : 'server_error' };
  ctx.status = status;
  if (retryAfter) ctx.set('Retry-After', retryAfter);
  return true;
}
