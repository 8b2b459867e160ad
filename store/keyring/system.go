package keyring

import (
	"context"
	"fmt"
	"time"

	keyrings "github.com/zalando/go-keyring"

	"codexauth"
)

// service is what the keyring's items are filed under.
const service = "codexauth"

// defaultWait is how long a keyring has for an answer, and a person for theirs.
const defaultWait = 10 * time.Second

// ring is a keyring. Its errors are this package's.
type ring interface {
	get(ctx context.Context, account string) (codexauth.Secret, error)
	set(ctx context.Context, account string, secret codexauth.Secret) error
}

// system is the system's keyring. The library that talks to it may block for
// ever (it knows neither contexts nor deadlines), so it is called only where
// something will answer, and its calls are abandoned when they take too long.
type system struct {
	o Options
	// slot is held by a call, also by one that was abandoned: of those there is
	// never more than one.
	slot chan struct{}
}

func newSystem(o Options) *system { return &system{o, make(chan struct{}, 1)} }

func (s *system) get(ctx context.Context, account string) (codexauth.Secret, error) {
	text, err := s.ask(ctx, func() (string, error) { return itemOf(account) })
	if err != nil {
		return codexauth.Secret{}, err
	}
	return codexauth.NewSecret(text), nil
}

func (s *system) set(ctx context.Context, account string, secret codexauth.Secret) error {
	_, err := s.ask(ctx, func() (string, error) { return "", keyrings.Set(service, account, secret.Reveal()) })
	return err
}

// ask makes one call to the library.
func (s *system) ask(ctx context.Context, call func() (string, error)) (string, error) {
	if err := s.o.ready(ctx); err != nil {
		return "", explain(err)
	}
	// It answers by now. What takes long is a person who is asked about this item.
	ctx, cancel := context.WithTimeout(ctx, max(s.o.timeout(), s.o.Prompt))
	defer cancel()
	select {
	case s.slot <- struct{}{}:
	case <-ctx.Done():
		return "", explain(ctx.Err())
	}
	text, err := bounded(ctx, func() (string, error) {
		defer func() { <-s.slot }()
		return call()
	})
	return text, explain(err)
}

// bounded returns what call returns, or the error of ctx when that ends first;
// then call is left behind.
func bounded[T any](ctx context.Context, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		value, err := call()
		answers <- answer{value, err}
	}()
	select {
	case a := <-answers:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Probe returns nil if there is a keyring here that answers and is not locked.
// Its error is one of this package's. It asks nobody and starts nothing, and it
// ends with ctx.
func Probe(ctx context.Context) error {
	s := newSystem(Options{Prompt: -1, passive: true})
	if deadline, ok := ctx.Deadline(); ok {
		s.o.Timeout = max(time.Until(deadline), 1)
	}
	_, err := s.get(ctx, "probe")
	switch {
	case err == nil, isMissing(err):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("%w in time", ErrTimeout)
	}
	return err
}
