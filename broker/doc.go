// Package broker lets programs use a login without holding it: an HTTP server
// on this machine that puts the credentials into requests to the backend, and
// that leases access tokens to those who may have them.
//
//	keys := new(broker.Keys)
//	text, key, err := broker.NewKey("ci")      // show text once, keep key
//	err = keys.Add(key)
//	s, err := broker.New(broker.Config{Manager: m, Backend: provider.BackendURL, Keys: keys})
//	l, err := broker.ListenTCP("127.0.0.1:8461", nil)
//	err = s.Serve(l)                           // until Shutdown or Close
//
// # Endpoints
//
//   - /backend-api/codex/…  passed through to the backend, with the credentials put in
//     POST /v1/chat/completions, /v1/responses, /v1/responses/compact, and
//     GET  /v1/models, /v1/models/ID   OpenAI's public API, see package openai
//     GET  /v1/responses         a WebSocket, passed through
//     POST /token                leases an access token; see below
//     GET  /status               {"state", "issuer", "account_id", …}: how the login is doing
//     GET  /overview             the same and who asks, for those who watch: package broker/overview
//     GET  /metrics              Prometheus' text format
//     GET  /healthz              {"status":"ok"}, without a key
//     GET  /readyz               {"status", "message"}: whether requests would be served; without a key
//
// What is passed through is not translated: a prompt must be one that the backend
// takes. Answers are streamed as they come. A 401 of the backend is recovered once,
// with another token, before an answer has begun. WebSocket upgrades are passed on, and so is a backend's 426, on
// which clients fall back to HTTP; redirects of the backend are answered with 502.
//
// # Leases
//
// The body of POST /token is empty or {"not_sha256"?, "min_valid"?}: not the
// token with this SHA-256 in hex, which the backend refused; with so many seconds
// left, which is met up to half of a token's life. The answer:
//
//	access_token, account_id  what the backend wants in its headers
//	fedramp                   true where the backend wants x-openai-fedramp: true
//	expires_at                RFC 3339, by the issuer's clock
//	expires_in, refresh_in    seconds: until it ends, until there is to be a newer one
//	issuer                    whose token it is: it is for this issuer's backend only
//
// More fields may come. Package broker/client is the other side.
//
// # Who may ask
//
// A client on TCP shows a key as "Authorization: Bearer KEY", nowhere else. A
// key reaches the backend only, and may be limited ([Key.Paths], [Key.Rate],
// [Key.Streams]); [Key.Lease] also gives it POST /token, GET /status and GET /overview,
// [Key.Status] the latter two, [Key.Metrics] GET /metrics. It is for one login
// ([Key.Login]). An access token that was leased outlives its key: it is good until it expires. A client on
// a Unix socket is known by its user, which the kernel tells on Linux; elsewhere
// the socket's directory keeps other users out. Web pages are refused: by Host,
// against DNS rebinding, and by Origin.
//
// The client's own Authorization, cookies and forwarding headers never reach the
// backend, and the backend's cookies never reach the client. The refresh token
// never leaves the Manager.
//
// # Errors
//
// The broker's own errors are JSON in the shape that OpenAI's SDKs read:
// {"error":{"message","type","param","code"}}. The codes: bad_path, key_in_query,
// bad_request, bad_body, unsupported_media_type, too_large, slow_client (400, 413, 415,
// 408); unauthorized (401); origin_refused, lease_refused, path_refused, login_not_served (403);
// not_found, unknown_url (under /v1), method_not_allowed (404, 404, 405); wrong_host (421); rate_limit_exceeded,
// too_many_streams (429); signed_out, refused, try_later, broker_failed, stopping,
// overloaded, too_many_connections, keys_unavailable (503); upstream_failed, upstream_redirect (502).
// Anything else is the backend's own answer; under /v1, in OpenAI's shape.
package broker
