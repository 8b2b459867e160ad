// An oidc-provider that behaves, where a Codex client can see it, like the
// service: a public client, PKCE, rotating single-use refresh tokens, JWT
// access tokens with the account claim. Its paths are oidc-provider's own, so a
// client finds them by discovery or not at all.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { Provider } from 'oidc-provider';
import { jsonBody } from './body.mjs';
import { interactions, page } from './pages.mjs';

export const CLIENT_ID = 'app_EMoamEEZ73f0CkXaXp7hrann';
const RESOURCE = 'https://api.openai.com/v1'; // an audience, never contacted
const AUTH_CLAIM = 'https://api.openai.com/auth';
const PROFILE_CLAIM = 'https://api.openai.com/profile';
const SCOPES = 'openid profile email offline_access api.connectors.read api.connectors.invoke';
const DAY = 24 * 60 * 60;

/** claimsOf derives an account from an email; "team" and "fedramp" in it choose the plan. */
function claimsOf(email) {
  const hash = createHash('sha256').update(email).digest('hex');
  const id = hash.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12}).*$/, '$1-$2-$3-$4-$5');
  return {
    email,
    [PROFILE_CLAIM]: { email, email_verified: true },
    [AUTH_CLAIM]: {
      chatgpt_account_id: id,
      chatgpt_plan_type: email.includes('team') ? 'team' : 'plus',
      chatgpt_user_id: `user-${hash.slice(-24)}`,
      chatgpt_account_is_fedramp: email.includes('fedramp'),
    },
  };
}

function signingKeys() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { keys: [{ ...privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig', kid: 'e2e' }] };
}

/**
 * newIssuer returns the provider. settings.access_token_ttl (seconds) is read
 * at each issue, so that a test can change it between two of them.
 */
export function newIssuer(url, { redirectURIs, settings, store, recorder, faults }) {
  const provider = new Provider(url, {
    adapter: store.adapter,
    clients: [{
      client_id: CLIENT_ID,
      token_endpoint_auth_method: 'none',
      // A native client would be let in from any loopback port; a web client
      // only from the registered ones.
      application_type: 'web',
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: redirectURIs,
    }],
    cookies: { keys: [randomBytes(32).toString('hex')] },
    jwks: signingKeys(),
    pkce: { required: () => true },
    scopes: SCOPES.split(' '),
    claims: { openid: ['sub', AUTH_CLAIM], email: ['email'], profile: [PROFILE_CLAIM] },
    conformIdTokenClaims: false,
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: async () => ({ sub, ...claimsOf(sub) }) }),
    extraTokenClaims: (_ctx, token) => {
      const { email: _, ...claims } = claimsOf(token.accountId);
      return claims;
    },
    features: {
      devInteractions: { enabled: false },
      revocation: { enabled: true },
      introspection: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({ scope: SCOPES, audience: RESOURCE, accessTokenFormat: 'jwt' }),
      },
    },
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    rotateRefreshToken: () => true,
    expiresWithSession: () => false,
    ttl: {
      AccessToken: () => settings.access_token_ttl,
      AuthorizationCode: 60,
      Grant: 14 * DAY,
      IdToken: 60 * 60,
      Interaction: 10 * 60,
      RefreshToken: 14 * DAY,
      Session: DAY,
    },
    renderError: (ctx, out) => {
      ctx.type = 'html';
      ctx.body = page('The request was refused', `<pre>${JSON.stringify(out).replace(/</g, '&lt;')}</pre>`);
    },
  });

  provider.use(acceptJSON);
  provider.use(keepOfflineAccess);
  provider.use(interactions(provider));
  provider.use(countRevocations(recorder));
  provider.use(guardTokenEndpoint(recorder, faults));
  countOutcomes(provider, recorder, store);
  return provider;
}

// The service takes JSON for refreshes and revocations; the library forms only.
async function acceptJSON(ctx, next) {
  if (ctx.method === 'POST' && /^\/token(\/|$)/.test(ctx.path) && ctx.is('json')) {
    ctx.req.body = await jsonBody(ctx.req).catch(() => ctx.throw(400, 'the body is not JSON'));
    ctx.req.headers['content-type'] = 'application/x-www-form-urlencoded';
  }
  return next();
}

// OpenID Connect drops offline_access without prompt=consent; the service
// does not, and its clients do not send it.
function keepOfflineAccess(ctx, next) {
  if (ctx.path === '/auth' && !ctx.query.prompt && ctx.query.scope?.includes('offline_access')) {
    ctx.query = { ...ctx.query, prompt: 'consent' };
  }
  return next();
}

function guardTokenEndpoint(recorder, faults) {
  return async function guard(ctx, next) {
    if (ctx.path !== '/token' || ctx.method !== 'POST') return next();
    const entry = recorder.request(ctx.res);
    await faults.around(ctx, next);
    entry.grant_type = ctx.oidc?.params?.grant_type;
    entry.status = ctx.respond === false ? 0 : ctx.status; // 0: cut off
    return undefined;
  };
}

function countRevocations(recorder) {
  return async function count(ctx, next) {
    await next();
    if (ctx.path !== '/token/revocation' || ctx.method !== 'POST') return;
    recorder.count('revocation_requests');
    const { RefreshToken, AccessToken } = ctx.oidc?.entities ?? {};
    if (ctx.status === 200 && (RefreshToken || AccessToken)) recorder.count('revocations');
  };
}

function countOutcomes(provider, recorder, store) {
  provider.on('grant.success', (ctx) => {
    recorder.count(ctx.oidc.params.grant_type === 'refresh_token' ? 'refreshes' : 'code_exchanges');
  });
  provider.on('grant.error', (ctx, err) => {
    recorder.refusal(err.error_detail, store.wasIssued(ctx.oidc.params?.refresh_token));
  });
}
