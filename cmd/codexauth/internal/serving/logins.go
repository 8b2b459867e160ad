package serving

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/verdict"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
)

const (
	// firstLook is how long a server waits for its login before it serves without.
	firstLook = 10 * time.Second
	// wakeEvery is how often logins that can't be used are looked at again.
	wakeEvery = 5 * time.Second
	// wakeTogether is how many are woken at once: those of a whole fleet that have
	// expired are not refreshed in one wave.
	wakeTogether = 4
)

// servedLogin is one login of the server's.
type servedLogin struct {
	place   *place.Place
	manager *codexauth.Manager
}

// servedLogins opens the logins that the server is for. The first is for whoever
// shows no key that names another. The caller closes their Managers.
func (a *app) servedLogins(cmd *cobra.Command, o serveOptions) ([]servedLogin, error) {
	if slices.Contains(o.profiles, "") {
		return nil, hint.Usagef("--profile is empty")
	}
	if len(o.profiles) > 0 {
		a.Flags.Profile = o.profiles[0]
	}
	first, err := a.Place(cmd)
	if err == nil {
		err = first.Kept()
	}
	if err != nil {
		return nil, err
	}
	names := []string{first.Profile}
	switch {
	case o.allProfiles:
		names, err = a.allProfiles(cmd.Context(), first)
	case len(o.profiles) > 1:
		names = once(o.profiles)
	}
	if err != nil {
		return nil, err
	}
	places, err := a.placesOf(cmd, o, first, names)
	if err != nil {
		return nil, err
	}
	return a.residents(places)
}

// once is a list with each name where it stands first.
func once(names []string) (list []string) {
	for _, name := range names {
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// allProfiles are those of the store, the one in use first.
func (a *app) allProfiles(ctx context.Context, first *place.Place) ([]string, error) {
	names, err := first.Profiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("the logins of the store can't be listed: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == first.Profile })
	return slices.Insert(names, 0, first.Profile), nil
}

// placesOf are the places of profiles. Those that differ in nothing but their name
// share a store, and its connections.
func (a *app) placesOf(cmd *cobra.Command, o serveOptions, first *place.Place, names []string) ([]*place.Place, error) {
	said := a.Said
	places := []*place.Place{first}
	for _, name := range names[1:] {
		a.Flags.Profile = name
		s, err := a.Resolve(cmd)
		if err != nil {
			return nil, err
		}
		p := *first
		p.Profile = name
		if !alike(s, said) {
			if o.keys.File == "" && s.Get(config.Store).Value != said.Get(config.Store).Value {
				return nil, hint.Usage(fmt.Sprintf("the profiles %q and %q are in different stores, and it is not clear beside which the keys are", first.Profile, name), "name a file for the keys with --key-file, here and for `codexauth serve key`")
			}
			other, err := a.Open(cmd.Context(), s)
			if err == nil {
				err = other.Kept()
			}
			if err != nil {
				return nil, err
			}
			p = *other
		}
		places = append(places, &p)
	}
	a.Flags.Profile = first.Profile
	_, err := a.Resolve(cmd)
	return places, err
}

// alike reports whether two profiles have the same settings.
func alike(s, t *config.Settings) bool {
	for _, name := range config.Names() {
		if name != config.Profile && s.Get(name).Value != t.Get(name).Value {
			return false
		}
	}
	return true
}

// residents makes a Manager for each place.
func (a *app) residents(places []*place.Place) (logins []servedLogin, err error) {
	for _, p := range places {
		m, err := codexauth.NewManager(a.Config(p))
		if err != nil {
			return nil, err
		}
		logins = append(logins, servedLogin{p, m})
	}
	return logins, nil
}

// brokerLogins are the logins as the broker knows them.
func brokerLogins(logins []servedLogin) (list []broker.Login, err error) {
	for _, l := range logins {
		provider, err := l.place.Provider.Complete()
		if err != nil {
			return nil, err
		}
		list = append(list, broker.Login{Name: l.place.Profile, Manager: l.manager, Backend: provider.BackendURL})
	}
	return list, nil
}

// firstLooks reports logins that can't be used yet, with the remedy, once. The error
// is one that time won't fix, of a login that is alone.
func (a *app) firstLooks(ctx context.Context, logins []servedLogin) error {
	if len(logins) == 1 {
		stop := a.Waiting()
		bounded, cancel := context.WithTimeout(ctx, firstLook)
		_, err := logins[0].manager.Token(bounded)
		cancel()
		stop()
		if err == nil || ctx.Err() != nil {
			return err
		}
		v := a.Judge(bounded, err)
		if !startsWithout(v) {
			return err
		}
		a.Say("codexauth: no token yet: %s; the login is served as soon as there is one", cleantext.OneLine(err.Error()))
		if remedy := a.Remedy(bounded, err); remedy != "" {
			a.Say("hint: %s", cleantext.OneLine(remedy))
		}
		return nil
	}
	var away []string
	bounded, cancel := context.WithTimeout(ctx, firstLook) // for all: a store that hangs does so for each
	defer cancel()
	for _, l := range logins {
		status, err := l.manager.Status(bounded)
		if err != nil || status.State == codexauth.StateSignedOut || status.State == codexauth.StateRefused {
			away = append(away, cleantext.OneLine(l.place.Profile))
		}
	}
	const shown = 8
	if n := len(away); n > shown {
		away = append(away[:shown], fmt.Sprintf("and %d more", n-shown))
	}
	if len(away) > 0 {
		a.Say("codexauth: some logins can't be used yet: %s; each is served as soon as it can be. %s shows what there is", strings.Join(away, ", "), a.Command("profile list"))
	}
	return nil
}

// startsWithout reports whether a server starts although its login has no token:
// somebody signs in elsewhere, the store comes back, or time passes. What only other
// flags or another key can fix ends it.
func startsWithout(v verdict.Verdict) bool {
	return v.Exit == verdict.SignedOut || v.Exit == verdict.Refused || v.Exit == verdict.TryLater || v.Code == "failed"
}

// wake looks after logins until each has had a token, which its Manager then keeps
// fresh by itself. It tells when one can be used that could not at first.
func wake(ctx context.Context, logins []servedLogin, log *slog.Logger) {
	ticker := time.NewTicker(wakeEvery)
	defer ticker.Stop()
	for asleep, first := slices.Clone(logins), true; ; first = false {
		asleep = wakeSome(ctx, asleep, func(l servedLogin) {
			if !first {
				log.Info("the login can be used now", "login", cleantext.OneLine(l.place.Profile))
			}
		})
		if len(asleep) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// wakeSome returns those that are still asleep.
func wakeSome(ctx context.Context, logins []servedLogin, woke func(servedLogin)) (asleep []servedLogin) {
	var mu sync.Mutex
	next := make(chan servedLogin)
	var all sync.WaitGroup
	for range min(wakeTogether, len(logins)) {
		all.Go(func() {
			for l := range next {
				awake := l.wakes(ctx)
				mu.Lock()
				if awake {
					woke(l)
				} else {
					asleep = append(asleep, l)
				}
				mu.Unlock()
			}
		})
	}
	for _, l := range logins {
		next <- l
	}
	close(next)
	all.Wait()
	return asleep
}

func (l servedLogin) wakes(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	status, err := l.manager.Status(ctx)
	if err != nil || status.State == codexauth.StateSignedOut || status.State == codexauth.StateRefused {
		return false // nothing is asked for that is not there
	}
	_, err = l.manager.Token(ctx)
	return err == nil
}
