// Storage for oidc-provider: unbounded, and with a consume() that only one
// caller can win. The adapter that ships with the library keeps 1,000 entries
// and forgets live grants after that, and its consume() lets two concurrent
// requests both succeed.
import { setImmediate as letOthersRun } from 'node:timers/promises';
import { errors } from 'oidc-provider';

// What the library says when a spent token or code comes again in sequence;
// the loser of a race is told the same.
const SPENT = {
  RefreshToken: 'refresh token already used',
  AuthorizationCode: 'authorization code already consumed',
};

export class Store {
  #models = new Map(); // model name -> Map(id -> payload)
  #members = new Map(); // grant id -> list of [model, id] issued under it
  #issued = new Set(); // every refresh token ever issued, dead or alive
  #onGrantEnd;

  /** onGrantEnd is called once for each grant that is revoked. */
  constructor(onGrantEnd) {
    this.#onGrantEnd = onGrantEnd;
  }

  /** adapter is the factory that the library calls once for each model. */
  adapter = (model) => new Adapter(this, model);

  table(model) {
    if (!this.#models.has(model)) this.#models.set(model, new Map());
    return this.#models.get(model);
  }

  joinGrant(grantId, model, id) {
    if (model === 'RefreshToken') this.#issued.add(id);
    if (!this.#members.has(grantId)) this.#members.set(grantId, []);
    this.#members.get(grantId).push([model, id]);
  }

  revoke(grantId, onlyModel) {
    for (const [model, id] of this.#members.get(grantId) ?? []) {
      if (!onlyModel || model === onlyModel) this.table(model).delete(id);
    }
  }

  endGrant(grantId) {
    if (this.table('Grant').delete(grantId)) this.#onGrantEnd();
  }

  /** wasIssued tells a token of a dead family from one that never was. */
  wasIssued(refreshToken) {
    return this.#issued.has(refreshToken);
  }
}

class Adapter {
  #store;
  #model;

  constructor(store, model) {
    this.#store = store;
    this.#model = model;
  }

  get #rows() {
    return this.#store.table(this.#model);
  }

  async upsert(id, payload) {
    if (payload.grantId && this.#model !== 'Grant' && !this.#rows.has(id)) {
      this.#store.joinGrant(payload.grantId, this.#model, id);
    }
    this.#rows.set(id, structuredClone(payload));
  }

  // A real database answers later, and other requests run in between: without
  // that pause no two refreshes of one token would ever race here.
  async find(id) {
    const row = structuredClone(this.#rows.get(id));
    await letOthersRun();
    return row;
  }

  async findByUid(uid) {
    return this.#findWhere((row) => row.uid === uid);
  }

  async findByUserCode(userCode) {
    return this.#findWhere((row) => row.userCode === userCode);
  }

  #findWhere(matches) {
    for (const row of this.#rows.values()) if (matches(row)) return structuredClone(row);
    return undefined;
  }

  // No await between the look and the mark: that makes it atomic. Whoever
  // comes second has presented a spent token, so the family ends, as it does
  // when the library finds the mark itself (RFC 9700 section 4.14.2).
  async consume(id) {
    const row = this.#rows.get(id);
    if (row && !row.consumed) {
      row.consumed = Math.floor(Date.now() / 1000);
      return;
    }
    if (row?.grantId) {
      this.#store.revoke(row.grantId);
      this.#store.endGrant(row.grantId);
    }
    throw new errors.InvalidGrant(SPENT[this.#model] ?? 'already used');
  }

  async destroy(id) {
    if (this.#model === 'Grant') this.#store.endGrant(id);
    else this.#rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    this.#store.revoke(grantId, this.#model);
  }
}
