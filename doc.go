// Package codexauth keeps one sign-in with ChatGPT (Codex OAuth) alive and
// shares it safely between goroutines, processes and machines.
//
// A login of that kind has a refresh token that can be used once: whoever spends
// it gets the next one, and whoever spends it second is told
// refresh_token_reused, after which the server may end the whole login. This
// package makes sure that one holder refreshes and all others adopt.
//
// After `codexauth login` (or [Manager.SignIn] with a grant from package login),
// a program needs this much:
//
//	store, err := file.Default()
//	if err != nil {
//		log.Fatal(err)
//	}
//	manager, err := codexauth.NewManager(codexauth.Config{Store: store})
//	if err != nil {
//		log.Fatal(err)
//	}
//	defer manager.Close()
//	token, err := manager.Token(ctx)
//	if err != nil {
//		log.Fatal(err)
//	}
//	fmt.Println(token.AccountID, token.Expiry)
//
// or, to talk to the backend, [Manager.Client]: an *http.Client that signs what
// goes to the backend, and nothing else.
//
// # Concurrency
//
// A [Manager] may be used by any number of goroutines. A token that is not due
// comes from an atomic pointer, without a lock or an allocation. One that is due
// is served while one refresh runs in the background. Only an expired one makes
// callers wait, each until its own context ends; no caller's context ever cuts a
// refresh that is on its way, and Close waits until its result is saved.
//
// Any number of Managers, in any number of processes and machines, may share a
// [Store]. The right to refresh is the store's [Claim]; what is stored is read
// again under it before anything is sent.
//
// # Storage
//
// The root package imports no store. Package store/file is the usual one;
// store/memory is for tests. A new token is saved before anybody sees the access
// token that came with it; if the store fails just then, it goes to a rescue
// file, which the next rotation anywhere on the machine picks up. Nothing but a
// sign-in or a sign-out ever replaces or removes a credential.
//
// # Errors
//
// [ErrSignedOut] and [ErrRefused] need a person. [ErrTransient],
// [ErrUnknownOutcome] and [ErrBusy] pass by themselves. [*Error] holds what the
// server said.
//
// # Compatibility
//
// The record's format carries a version; an older program refuses a newer record
// rather than misread it.
package codexauth
