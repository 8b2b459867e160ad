package codexauth_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"

	"codexauth"
)

// Every exported method of a Manager with a Lessor either works or says that the
// login is elsewhere; none panics. A method that is new must be named here.
func TestEveryMethodOfALesseeAnswers(t *testing.T) {
	type call = func(context.Context, *codexauth.Manager) error
	elsewhere := map[string]call{
		"Announce": func(ctx context.Context, m *codexauth.Manager) error {
			_, err := m.Announce(ctx, codexauth.Event{})
			return err
		},
		"Watch": func(ctx context.Context, m *codexauth.Manager) error { return m.Watch(ctx, nil) },
		"SignIn": func(ctx context.Context, m *codexauth.Manager) error {
			_, err := m.SignIn(ctx, codexauth.Grant{}, codexauth.SignInOptions{})
			return err
		},
		"SignOut": func(ctx context.Context, m *codexauth.Manager) error {
			return m.SignOut(ctx, false)
		},
		"Import": func(ctx context.Context, m *codexauth.Manager) error {
			_, err := m.Import(ctx, codexauth.Credential{}, codexauth.SignInOptions{})
			return err
		},
		"HandOver": func(ctx context.Context, m *codexauth.Manager) error {
			return m.HandOver(ctx, func(codexauth.Credential) error { t.Error("delivered"); return nil }, nil)
		},
		"Credential": func(ctx context.Context, m *codexauth.Manager) error { _, err := m.Credential(ctx); return err },
		"Holds": func(ctx context.Context, m *codexauth.Manager) error {
			_, _, err := m.Holds(ctx, codexauth.NewSecret("r"))
			return err
		},
	}
	works := map[string]call{
		"Token":      func(ctx context.Context, m *codexauth.Manager) error { _, err := m.Token(ctx); return err },
		"FreshToken": func(ctx context.Context, m *codexauth.Manager) error { _, err := m.FreshToken(ctx, 0); return err },
		"Refresh":    func(ctx context.Context, m *codexauth.Manager) error { _, err := m.Refresh(ctx); return err },
		"Rotate": func(ctx context.Context, m *codexauth.Manager) error {
			return codexauth.Rotate(ctx, m, codexauth.Need{})
		},
		"Lease": func(ctx context.Context, m *codexauth.Manager) error {
			_, err := m.Lease(ctx, codexauth.LeaseRequest{})
			return err
		},
		"Status":     func(ctx context.Context, m *codexauth.Manager) error { _, err := m.Status(ctx); return err },
		"Settle":     func(ctx context.Context, m *codexauth.Manager) error { return m.Settle(ctx) },
		"Invalidate": func(_ context.Context, m *codexauth.Manager) error { m.Invalidate(codexauth.Token{}); return nil },
		"RescuePlaces": func(ctx context.Context, m *codexauth.Manager) error {
			if places := m.RescuePlaces(ctx); places != nil {
				return errors.New("it has rescue places")
			}
			return nil
		},
		"Client": func(_ context.Context, m *codexauth.Manager) error {
			if m.Client() == nil {
				return errors.New("no client")
			}
			return nil
		},
		"Transport": func(_ context.Context, m *codexauth.Manager) error {
			if m.Transport(nil) == nil {
				return errors.New("no transport")
			}
			return nil
		},
		"BackendURL": func(_ context.Context, m *codexauth.Manager) error {
			if m.BackendURL() == "" {
				return errors.New("no address")
			}
			return nil
		},
		"Left": func(ctx context.Context, m *codexauth.Manager) error {
			token, err := m.Token(ctx)
			if err == nil && m.Left(token) <= 0 {
				err = errors.New("nothing is left of it")
			}
			return err
		},
		"Close": func(_ context.Context, m *codexauth.Manager) error { return m.Close() },
		// It sends one signed GET; what the fake answers is no usage.
		"Usage": func(ctx context.Context, m *codexauth.Manager) error {
			_, err := m.Usage(ctx, newFake())
			if err == nil {
				return errors.New("the fake has no usage")
			}
			return nil
		},
	}
	typ := reflect.TypeFor[*codexauth.Manager]()
	for i := range typ.NumMethod() {
		name := typ.Method(i).Name
		if name == "SetBoot" || name == "Held" {
			continue // of export_test.go
		}
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, _, _ := newLessee(t, newFake())
				if f, ok := elsewhere[name]; ok {
					wantErr(t, f(t.Context(), m), errors.ErrUnsupported)
				} else if f, ok := works[name]; !ok {
					t.Fatal("this test does not know the method")
				} else if err := f(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
