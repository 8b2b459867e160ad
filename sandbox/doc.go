// Package sandbox is a local stand-in for the authorization server that signs
// people in with ChatGPT, and for the Codex backend behind it. A program that
// holds such a login can be tried against it without an account, and can be
// shown every way in which a refresh goes wrong.
//
// It is stricter than the service is known to be: refresh tokens are single use,
// presenting a spent one revokes the whole login (RFC 9700 §4.14.2), PKCE with
// S256 is a must, a code is used up by the first attempt, and parameters stand
// once. It counts what it sees, so that a test can say "ten processes, one
// refresh, no reuse". See [Counters].
//
// It listens on loopback only, answers to loopback names only, keeps everything
// in memory, and imports nothing but the standard library.
//
// # In a Go test
//
//	s := sandbox.New(t, sandbox.Config{})
//	login := s.Issue(sandbox.User{})     // tokens, without a browser
//	// … point the program under test at s.URL() and s.BackendURL() …
//	s.SetFaults(sandbox.Fault{Name: "drop-after", Times: 1})
//	// … let it refresh …
//	if s.Counters().Reuses != 0 { t.Error("a spent token was sent again") }
//
// # From anything else
//
// Start it on a fixed port, with a control key of your choice. KEY and ISSUER
// stand for these; the control endpoint takes JSON.
//
//	$ RT=$(curl -s -H "X-Sandbox-Key: $KEY" -d '{"issue":true}' $ISSUER/sandbox/control | jq -r .tokens.refresh_token)
//	$ refresh() { curl -s $ISSUER/oauth/token -d grant_type=refresh_token -d client_id=app_EMoamEEZ73f0CkXaXp7hrann -d refresh_token=$1; }
//	$ refresh $RT
//	{"access_token":"eyJhbGciOiJFUzI1NiIsImtpZCI6…","expires_in":3600,…}
//	$ refresh $RT
//	{"error":{"code":"refresh_token_reused","message":"Your refresh token has already been used to generate a new access token. Please try signing in again.","param":null,"type":"invalid_request_error"}}
//	$ curl -s -H "X-Sandbox-Key: $KEY" $ISSUER/sandbox/control | jq -c '.counters | {refreshes, reuses, families_revoked}'
//	{"refreshes":1,"reuses":1,"families_revoked":1}
//	$ curl -s -H "X-Sandbox-Key: $KEY" -d '{"faults":["drop-after*1@refresh"]}' $ISSUER/sandbox/control | jq -c .faults
//	["drop-after*1@refresh"]
//
// A POST to the control endpoint may hold, all optional and done in this order:
//
//	clear           true: take all faults away
//	faults          list: replace the faults
//	reset_counters  true
//	clock_offset    "1h", "-5m": move the server's clock
//	access_ttl      "90s": life of access tokens issued from now on; negative: already expired
//	expire_access   true: the backend refuses every access token issued so far
//	revoke_all      true: every login is revoked
//	device          {"user_code":"…","approve":true}: decide about a device code
//	models          list: replace the models (see Model); an empty one restores the default
//	clear_answers   true: empty the queue of answers
//	answers         list of scripts: the answers to the next requests to …/responses
//	default_answer  script of the answer to every other request; "" is to echo
//	issue           true: mint a login and return it as "tokens"
//	user            {"email","account_id","user_id","plan","fedramp"}: for whom
//
// The answer, and that of a GET, has issuer, backend, client_id, clock_offset,
// access_ttl, counters, faults and how many answers wait; a GET also lists the
// faults and the models there are.
//
// # Endpoints
//
//	GET  /oauth/authorize                          pages with the ids email, continue, allow, deny
//	POST /oauth/token                              form or JSON: authorization_code, refresh_token, RFC 8628
//	POST /oauth/revoke                             form or JSON (RFC 7009)
//	POST /oauth/device/code                        RFC 8628 §3.1
//	POST /api/accounts/deviceauth/usercode, …/token  device codes in the service's own shape
//	GET  /codex/device                             page with the ids user-code, email, continue
//	GET  /.well-known/openid-configuration, /.well-known/oauth-authorization-server, /.well-known/jwks.json
//	POST /backend-api/codex/responses              echoes the user's last message as server-sent events, or does as a script says
//	POST /backend-api/codex/responses/compact      what the user said, and a sealed item for the rest
//	GET  /backend-api/codex/responses              the same by WebSocket, a message an event
//	GET  /backend-api/codex/models, /backend-api/wham/usage
//	GET, POST /sandbox/control                     header X-Sandbox-Key; refuses an Origin
//
// # The backend
//
// It refuses what the service is known to refuse, in its words, and answers with
// the events of the service, the unkind ones too. A script says what comes: in a
// line of the user's last message that begins with "sandbox:", or through
// [Server.QueueAnswers] and [Server.SetDefaultAnswer]. docs/sandbox.md has the
// language. [CheckResponsesBody] is the judgement alone.
//
// # Faults
//
// A fault is written name[=arg][*times][@grant]: "status=503" for ever,
// "drop-after*1" for one request, "truncate*1@refresh" for one refresh and no
// code exchange. [FaultNames] lists them. Faults of one kind take turns, in the
// order given; those of different kinds meet in one request. Those that come
// after the token was spent wait for a request that spends one, so an unlimited
// "status=500" keeps "drop-after" from ever happening.
package sandbox
