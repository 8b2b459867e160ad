package codexauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"codexauth/internal/oauth"
	"codexauth/internal/reserved"
)

// DefaultKey is the key under which a login is stored if none is named.
const DefaultKey = "default"

// Config says what a Manager manages.
type Config struct {
	// Store keeps the login. Required, unless there is a Lessor.
	Store Store
	// Lessor, in place of a Store, leases tokens of a login that is kept
	// elsewhere, such as a broker's. Then nothing is stored or refreshed here;
	// what needs the login itself (SignIn, SignOut, Import, HandOver, Credential,
	// Holds) is an error that wraps errors.ErrUnsupported.
	Lessor Lessor
	// CloseStore: Close closes the Store, too, if it is an io.Closer.
	CloseStore bool
	// Key names the login in the store. Empty means [DefaultKey].
	Key string
	// Provider is whose login it is. The zero value is OpenAI.
	Provider Provider
	// HTTPClient talks to the authorization server. Nil means one that takes
	// proxies from the environment. Redirects are never followed.
	HTTPClient *http.Client
	// UserAgent is sent to the authorization server. Empty means "codexauth".
	UserAgent string
	// Log receives what happens at debug and warn level, never a secret. Nil is silent.
	Log *slog.Logger
	// OnEvent, if not nil, learns what happens to the login: what this Manager does,
	// and what it finds that others did when it reads the store ([Manager.Watch]
	// makes it look). What it finds at first counts as news where it is bad. Events
	// come in order, one after the other, from a goroutine that holds no lock and
	// that no rotation waits for; a new token is durable before it is reported.
	// OnEvent may use the Manager, but not Close it: Close waits until all events
	// are delivered.
	OnEvent func(Event)
	// RequestTimeout is how long one request to the token endpoint may take. 0 means
	// a minute. After it callers learn that the outcome is unknown, and the
	// request goes on: an answer that comes late is saved all the same. All who share a store should use the same value: a successor of a holder
	// that vanished waits it out. With a Lessor it bounds one lease; 0 means 30 s.
	RequestTimeout time.Duration
	// Sealer, if not nil, encrypts what is stored. A record that is still plain is
	// read all the same and sealed when it is written next.
	Sealer Sealer
	// RescueDir is where a new credential goes that the store did not take, and
	// where one is looked for. Empty means several: codexauth-rescue in the user's
	// state directory, the cache directory and $XDG_RUNTIME_DIR, and
	// codexauth-rescue-UID in the temporary directory; it is put in two of them, on
	// different file systems where it can. Where the writer of an unanswered
	// refresh would have put it is looked into, too.
	RescueDir string
	// Delegate, if not nil, performs rotations in this Manager's place: it has
	// another process call Rotate on a Manager of its own with the same store,
	// key and provider. A process that nobody knows of can't be cut off by a
	// closed terminal or an impatient caller. When Delegate returns, the store is
	// read again; its error counts only if the store then tells no better. It may
	// return nil without having done anything if somebody else did meanwhile. It
	// must return when ctx ends, and leave the other process to finish. If it
	// returns an error that wraps errors.ErrUnsupported, the rotation is done here.
	//
	// job is what Rotate is to be called with there; it holds no secret. With atOnce
	// the present token is still good: nobody waits for a rotation that is already
	// on its way elsewhere, and the error then wraps ErrBusy.
	Delegate func(ctx context.Context, job []byte, atOnce bool) error
	// BeforeClaim, if not nil, is called before each claim at the store: from then on
	// the process should not be ended by a signal until the Manager is closed, for
	// whoever has a claim may be about to spend a refresh token. A wrapper of the
	// store could tell as much, but would hide what else the store can do.
	BeforeClaim func()
	// Claimed, if not nil, is called for each claim that the store has granted, with the
	// time that it took.
	Claimed func(took time.Duration)
	// Lazy: refresh only when a token is asked for. Otherwise a Manager that has
	// handed out a token refreshes it when it falls due, whether or not anybody
	// asks, until Close.
	Lazy bool
	// Patience is how long an expired token waits for others: for the claim, or
	// for the end of a short back-off. 0 means two minutes.
	Patience time.Duration
}

// Manager hands out valid access tokens of one login and keeps the login alive.
// Any number of goroutines may use it, and any number of Managers, processes
// and machines may share a store: one of them refreshes, the others adopt.
type Manager struct {
	cfg      Config
	source   source // where its tokens come from
	provider Provider
	http     *http.Client
	log      *slog.Logger
	jitter   float64 // how late in the refresh window this Manager's timer goes off, 0 to 1
	boot     func() time.Duration

	held     atomic.Pointer[held] // the fast path
	notUntil atomic.Int64         // no background attempt before, in Unix nanoseconds

	ctx    context.Context // ends at Close; ends waiting, never a request on its way
	cancel context.CancelFunc
	wg     sync.WaitGroup

	endpoints   atomic.Pointer[oauth.Endpoints] // the issuer's, once they are known
	discovering chan struct{}                   // holds something while somebody asks for them

	mu         sync.Mutex
	closed     bool
	flight     *flight
	ahead      *time.Timer // asks for a refresh when the token at hand falls due
	rejections rejections
	seen       witnessed
}

// NewManager checks cfg and returns a Manager. It reads nothing yet.
func NewManager(cfg Config) (*Manager, error) {
	if err := cfg.checkLessor(); err != nil {
		return nil, err
	}
	provider, err := cfg.Provider.Complete()
	if err != nil {
		return nil, err
	}
	if cfg.Key == "" {
		cfg.Key = DefaultKey
	}
	if reserved.Is(cfg.Key) {
		return nil, fmt.Errorf("%q can't be the name of a login: names that begin so are reserved", cfg.Key)
	}
	if cfg.RequestTimeout <= 0 {
		cfg.RequestTimeout = time.Minute
	}
	if cfg.Patience <= 0 {
		cfg.Patience = 2 * time.Minute
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "codexauth"
	}
	m := &Manager{
		cfg: cfg, provider: provider, http: cfg.HTTPClient, log: cfg.Log, jitter: rand.Float64(), boot: sinceBoot,
		discovering: make(chan struct{}, 1),
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	m.seen.key, m.seen.hook = cfg.Key, cfg.OnEvent
	m.ctx, m.cancel = context.WithCancel(context.Background())
	m.source = newSource(m)
	return m, nil
}

// Close waits for a rotation in flight to be saved and ends the Manager: from
// then on nothing is read or refreshed. A rotation that only waits for others is
// given up, and so is one that has taken longer than RequestTimeout; a new token
// that the store has not taken for half a minute gets one last attempt. It
// returns when OnEvent was told about all that happened.
func (m *Manager) Close() error {
	m.mu.Lock()
	m.closed = true
	if m.ahead != nil {
		m.ahead.Stop()
	}
	m.mu.Unlock()
	m.cancel()
	m.wg.Wait()
	m.seen.close()
	if store, ok := m.cfg.Store.(io.Closer); ok && m.cfg.CloseStore {
		return store.Close()
	}
	return nil
}

// Token returns a valid access token. A token that is due for a refresh but
// still valid is returned at once while one refresh runs in the background;
// only an expired one makes the caller wait, until ctx ends. Cancelling ctx
// never cuts a refresh that others share.
//
// errors.Is says why there is none: [ErrSignedOut] and [ErrRefused] need a
// sign-in; [ErrTransient], [ErrUnknownOutcome] and [ErrBusy] pass.
func (m *Manager) Token(ctx context.Context) (Token, error) {
	if h := m.held.Load(); h != nil && wallNow() < h.due {
		return h.token, nil
	}
	return tokenOf(m.slow(ctx))
}

func (m *Manager) slow(ctx context.Context) (*held, error) {
	h := m.held.Load()
	if h == nil || h.rejected || time.Now().UnixNano() >= h.end {
		next, err := m.obtain(ctx, need{Not: h.rejectedToken()})
		switch {
		case err == nil:
			h = next
		case ctx.Err() == nil && h.standsFor(err):
			h = m.restore(h)
		default:
			return nil, err
		}
	}
	if time.Now().UnixNano() >= h.due {
		m.refreshBehind()
	}
	return h, nil
}

func tokenOf(h *held, err error) (Token, error) {
	if err != nil {
		return Token{}, err
	}
	return h.token, nil
}

// FreshToken is Token for a program that won't live to see a background
// refresh. A token that is due, or has less than minValid left, is refreshed
// first; while it is still valid the caller waits for that for at most two
// seconds, and not at all if somebody else is refreshing and minValid is 0.
func (m *Manager) FreshToken(ctx context.Context, minValid time.Duration) (Token, error) {
	return tokenOf(m.fresh(ctx, minValid))
}

func (m *Manager) fresh(ctx context.Context, minValid time.Duration) (*held, error) {
	n := need{Fresh: true, MinValid: minValid, AtOnce: minValid <= 0}
	if h := m.held.Load(); h != nil {
		n.Not = h.rejectedToken()
	}
	waiting, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	h, err := m.obtain(waiting, n)
	if err == nil {
		return h, nil
	}
	if errors.Is(err, ErrClosed) {
		return nil, err
	}
	// Whatever the reason: a token that is still valid is served.
	if h := m.held.Load(); h.standsFor(err) {
		m.log.Debug("serving the present token", "reason", err)
		return m.restore(h), nil
	}
	if waiting.Err() == nil || ctx.Err() != nil {
		return nil, err
	}
	// AtOnce says nothing about a token that has ended; with it, the failure of the
	// flight that is still under way counts, and nobody waits twice.
	return m.obtain(ctx, need{Not: n.Not, AtOnce: n.AtOnce})
}

// Refresh rotates the login now, whatever its token's age, and returns the new
// token. It asks even after a remembered refusal. It may adopt a rotation by
// somebody else that began after the call. With a Lessor it asks for another
// token than the present one.
func (m *Manager) Refresh(ctx context.Context) (Token, error) { return tokenOf(m.source.force(ctx)) }

// publish makes h the token at hand, unless a newer one is there already.
func (m *Manager) publish(h *held) *held {
	for {
		old := m.held.Load()
		if old != nil && old.login == h.login && old.seq > h.seq {
			return old
		}
		if old != nil && old.rejected && old.token.AccessToken.Equal(h.token.AccessToken) {
			return old
		}
		if m.held.CompareAndSwap(old, h) {
			return h
		}
	}
}

// Left is how long t is good from now on. Unlike its Expiry it does not hang on the
// local clock, as long as t is the token at hand.
func (m *Manager) Left(t Token) time.Duration {
	if h := m.held.Load(); h != nil && h.token.AccessToken.Equal(t.AccessToken) {
		return time.Until(time.Unix(0, h.end))
	}
	return time.Until(t.Expiry)
}
