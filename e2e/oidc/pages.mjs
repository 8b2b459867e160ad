// The login and consent pages: plain forms that a browser and a program can
// both fill in.
import { urlencodedBody } from './body.mjs';

const escapes = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escape = (text) => String(text).replace(/[&<>"']/g, (c) => escapes[c]);

export const page = (title, body) => `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title><link rel="icon" href="data:,"></head>
<body><h1>${escape(title)}</h1>${body}</body></html>`;

const loginPage = (uid) => page('Sign in', `
<form method="post" action="/interaction/${uid}/login">
<label>Email <input id="email" name="email" type="email" required autofocus></label>
<button id="continue" type="submit">Continue</button>
</form>`);

const consentPage = (uid, client, scope) => page('Authorize', `
<p><b>${escape(client)}</b> asks for: ${escape(scope)}</p>
<form method="post" action="/interaction/${uid}/consent">
<button id="allow" name="decision" value="allow">Allow</button>
<button id="deny" name="decision" value="deny">Deny</button>
</form>`);

const PATH = /^\/interaction\/([\w-]+)(?:\/(login|consent))?$/;

/** interactions answers the pages' requests and passes everything else on. */
export function interactions(provider) {
  return async function interaction(ctx, next) {
    const [, uid, step] = PATH.exec(ctx.path) ?? [];
    if (!uid) return next();
    const details = await provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method === 'GET' && !step) {
      ctx.type = 'html';
      ctx.body = details.prompt.name === 'login'
        ? loginPage(uid)
        : consentPage(uid, details.params.client_id, details.params.scope);
      return undefined;
    }
    if (ctx.method !== 'POST' || step !== details.prompt.name) return ctx.throw(400, 'not the step that is due');
    const form = await urlencodedBody(ctx.req);
    const result = step === 'login' ? login(form) : await consent(provider, details, form);
    if (!result) return ctx.throw(400, 'the form is not complete');
    ctx.status = 303;
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, result));
    return undefined;
  };
}

function login(form) {
  const email = form.get('email');
  return email && { login: { accountId: email } };
}

// Every consent makes a grant of its own: with one grant for each browser
// session, the reuse of one sign-in's token would also end the others.
async function consent(provider, { params, prompt: { details }, session }, form) {
  if (form.get('decision') === 'deny') {
    return { error: 'access_denied', error_description: 'The person refused the request.' };
  }
  if (form.get('decision') !== 'allow') return undefined;
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  if (details.missingOIDCClaims) grant.addOIDCClaims(details.missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(' '));
  }
  return { consent: { grantId: await grant.save() } };
}
