package serving

import (
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
)

// usualOverlap is long enough to bring a new key to where it is used.
const usualOverlap = lifetime(time.Hour)

// An overlap is a lifetime that may be none.
type overlap struct{ lifetime }

func (o *overlap) Set(text string) error {
	if text == "0" || text == "0s" {
		o.lifetime = 0
		return nil
	}
	return o.lifetime.Set(text)
}

type rotateOptions struct {
	overlap overlap
	expires lifetime
	out     string
}

func (a *app) keyRotateCommand(o *KeyPlace) *cobra.Command {
	r := rotateOptions{overlap: overlap{usualOverlap}}
	cmd := &cobra.Command{
		Use:   "rotate NAME",
		Short: "Give a key a new text, and let the old one work for a while",
		Long: `Give a key a new text and print it, once. The old one works until the overlap is
over, with what it has under way then; both count together against the key's limits.
A key that is rotated again meanwhile loses the oldest text at once.`,
		Example: `  codexauth serve key rotate ci --overlap 1h --out ci.key
  codexauth serve key rotate ci --overlap 0          the old one has leaked
  codexauth serve key rotate ci --expires 30d`,
		Args: run.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyRotate(cmd, o, args[0], r) },
	}
	f := cmd.Flags()
	f.Var(&r.overlap, "overlap", "`DURATION` for which the old text is still good, such as 1h or 7d; 0 ends it at once")
	f.Var(&r.expires, "expires", "`DURATION` from now on for which the key is good (default as before)")
	f.StringVar(&r.out, "out", "", "write the key to a new `FILE` for you alone (mode 0600) instead of printing it")
	return cmd
}

func (a *app) keyRotate(cmd *cobra.Command, o *KeyPlace, name string, r rotateOptions) error {
	if r.out == "" {
		if err := a.NeedReader(); err != nil {
			return err
		}
	}
	before, err := a.keyNamed(cmd, o, name)
	if err != nil {
		return err
	}
	text, fresh, err := broker.NewKey(name)
	if err != nil {
		return err
	}
	after := before.Rotated(fresh.SHA256, time.Duration(r.overlap.lifetime))
	if r.expires > 0 {
		after.Expires = time.Now().Add(time.Duration(r.expires)).Round(time.Second)
	}
	return a.handOut(cmd, o, after, text, r.out, keyChange{
		do:   exchange(before, after, hint.With(fmt.Errorf("the key %s was changed meanwhile", name), "run the command again")),
		undo: exchange(after, before, nil),
	})
}

// exchange puts one state of a key in the place of another, if it is there.
func exchange(from, to broker.Key, missing error) func([]broker.Key) ([]broker.Key, error) {
	return func(keys []broker.Key) ([]broker.Key, error) {
		i := slices.IndexFunc(keys, func(k broker.Key) bool { return k.SHA256 == from.SHA256 })
		if i < 0 {
			return keys, missing
		}
		keys = slices.Clone(keys)
		keys[i] = to
		return keys, nil
	}
}

func (a *app) keyNamed(cmd *cobra.Command, o *KeyPlace, name string) (k broker.Key, err error) {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return k, err
	}
	home, err := o.Of(p)
	if err != nil {
		return k, err
	}
	keys, err := home.Load(cmd.Context())
	if err != nil {
		return k, err
	}
	i := slices.IndexFunc(keys, func(k broker.Key) bool { return k.Name == name })
	if i < 0 {
		return k, a.noKey(o, name)
	}
	return keys[i], nil
}

func (a *app) noKey(o *KeyPlace, name string) error {
	return hint.With(fmt.Errorf("there is no key named %q", cleantext.OneLine(name)), a.Command(o.Named("serve key list"))+" lists them")
}
