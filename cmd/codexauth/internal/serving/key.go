package serving

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/run"
	"codexauth/internal/atomicfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/sharing"
)

func (a *app) serveKeyCommand(o *KeyPlace) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list, rotate and revoke the keys of `codexauth serve`",
		Example: `  codexauth serve key add ci --expires 30d
  codexauth serve key list
  codexauth serve key rotate ci --overlap 1h
  codexauth serve key revoke ci`,
		Args: run.UnknownCommand,
		RunE: run.NoCommand,
	}
	cmd.AddCommand(a.keyAddCommand(o), a.keyListCommand(o), a.keyRotateCommand(o), a.keyRevokeCommand(o))
	return cmd
}

// keyOptions are the flags of `serve key add`.
type keyOptions struct {
	lease          bool
	metrics        bool
	status         bool
	expires        lifetime
	paths          []string
	rate           string
	burst, streams int
	out            string // a new file for the key, in place of standard output
}

func (a *app) keyAddCommand(o *KeyPlace) *cobra.Command {
	var k keyOptions
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key and print it, once",
		Long: `Make a key and print it. Only its hash is kept, so it can't be shown again.

A key lets its holder use the login through the server, no more. With --lease it
also gives out access tokens, and those stay good until they expire, even after
their key was revoked. With --metrics and --status it sees how the server and its
login are doing. For one of several logins that a server has, name it with --profile.

What a key may do can be narrowed: to some paths, to a rate, and to a number of
requests and streams at once. Too many are answered with 429 and Retry-After.`,
		Example: `  codexauth serve key add laptop
  codexauth serve key add ci --lease --expires 30d --out ci.key
  codexauth serve key add prometheus --path /metrics --out prometheus.key
  codexauth --profile ci serve key add runner --keys store
  codexauth serve key add agent --path /v1/responses --path /v1/models --rate 60/m --streams 4`,
		Args: run.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyAdd(cmd, o, args[0], k) },
	}
	f := cmd.Flags()
	f.BoolVar(&k.lease, "lease", false, "the key may also fetch access tokens (POST /token)")
	f.BoolVar(&k.metrics, "metrics", false, "the key may also read the metrics, which are of all logins of the server")
	f.BoolVar(&k.status, "status", false, "the key may also ask how its login is doing")
	f.Var(&k.expires, "expires", "`DURATION` for which the key is good, such as 30d or 12h (default until it is revoked)")
	f.StringArrayVar(&k.paths, "path", nil, "`PATH` that the key is for, such as /v1/responses, or /v1/ for all below it (may be repeated; default every path)")
	f.StringVar(&k.rate, "rate", "", "how often the key may be used: `N/UNIT`, such as 60/m (s, m, h or d)")
	f.IntVar(&k.burst, "burst", 0, "how many requests of --rate may come at once after a rest (`N`, default that of --rate)")
	f.IntVar(&k.streams, "streams", 0, "how many requests and streams the key may have under way (`N`, default any number)")
	f.StringVar(&k.out, "out", "", "write the key to a new `FILE` for you alone (mode 0600) instead of printing it")
	return cmd
}

// key reads the flags into a key.
func (o keyOptions) key(cmd *cobra.Command, name string) (text string, k broker.Key, err error) {
	if text, k, err = broker.NewKey(name); err != nil {
		return "", k, hint.Usage(err.Error(), "")
	}
	k.Lease, k.Metrics, k.Status, k.Paths, k.Streams = o.lease, o.metrics, o.status, o.paths, o.streams
	if cmd.Flags().Changed(config.Profile) {
		k.Login = cmd.Flag(config.Profile).Value.String()
	}
	if o.expires > 0 {
		k.Expires = time.Now().Add(time.Duration(o.expires)).Round(time.Second)
	}
	if o.rate != "" {
		if k.Rate, err = broker.ParseRate(o.rate); err != nil {
			return "", k, hint.Usagef("--rate %s: %v", cleantext.OneLine(o.rate), err)
		}
		k.Rate.Burst = o.burst
	}
	switch set := cmd.Flags().Changed; {
	case set("rate") && o.rate == "":
		err = hint.Usagef("--rate is empty")
	case set("burst") && o.burst < 1, set("streams") && o.streams < 1:
		err = hint.Usagef("--burst and --streams are numbers above 0")
	case set("burst") && o.rate == "":
		err = hint.Usagef("--burst is for --rate, which is not given")
	}
	return text, k, err
}

func (a *app) keyAdd(cmd *cobra.Command, o *KeyPlace, name string, k keyOptions) error {
	if k.out == "" {
		if err := a.NeedReader(); err != nil {
			return err
		}
	}
	text, key, err := k.key(cmd, name)
	if err != nil {
		return err
	}
	err = a.handOut(cmd, o, key, text, k.out, keyChange{
		do: func(keys []broker.Key) ([]broker.Key, error) {
			if slices.ContainsFunc(keys, func(k broker.Key) bool { return k.Name == name }) {
				return nil, hint.Usage(fmt.Sprintf("there is a key named %s already", name), "name another one, or revoke that one first")
			}
			return append(keys, key), nil
		},
		undo: func(keys []broker.Key) ([]broker.Key, error) {
			return slices.DeleteFunc(keys, func(k broker.Key) bool { return k.SHA256 == key.SHA256 }), nil
		},
	})
	if errors.Is(err, broker.ErrKeyPath) {
		return hint.Usage("--path: "+cleantext.OneLine(err.Error()), "")
	}
	return err
}

// A keyChange makes a key's text count, and takes it back.
type keyChange struct {
	do, undo func([]broker.Key) ([]broker.Key, error)
}

// handOut makes a text count and gives it to the person, or does neither.
func (a *app) handOut(cmd *cobra.Command, o *KeyPlace, key broker.Key, text, out string, change keyChange) error {
	a.HeedSignals() // a reader that is gone would end the process with the key's name taken
	if out != "" {  // first: what can't be written opens nothing
		if err := writeKey(out, text); err != nil {
			return err
		}
	}
	if err := o.Change(a.Run, cmd, change.do); err != nil {
		if out != "" {
			sharing.Remove(out) // it opens nothing
		}
		return err
	}
	if out != "" {
		return a.tellKeyFile(key, out)
	}
	if err := a.printKey(key, text); err != nil {
		return errors.Join(err, o.Change(a.Run, cmd, change.undo)) // nobody knows the text
	}
	return nil
}

// writeKey puts a key into a new file of this user's alone, durably.
func writeKey(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return hint.With(fmt.Errorf("writing the key: %w", err), "no file is overwritten: name another one with --out, or remove this one; no key was made")
	}
	if err != nil {
		return fmt.Errorf("writing the key: %w", err)
	}
	_, err = f.WriteString(text + "\n")
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = atomicfile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		sharing.Remove(path)
		return fmt.Errorf("writing the key: %w", err)
	}
	return nil
}

func (a *app) tellKeyFile(key broker.Key, path string) error {
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			keyBody
			File string `json:"file"`
		}{bodyOf(key), path})
	}
	a.Say("Wrote the key to %s.", cleantext.OneLine(path))
	return nil
}

func (a *app) printKey(key broker.Key, text string) error {
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			keyBody
			Key string `json:"key"`
		}{bodyOf(key), text})
	}
	return a.Print(text + "\n")
}

// A lifetime is a duration that may be given in days.
type lifetime time.Duration

func (l *lifetime) Set(text string) error {
	d, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		if n, err = strconv.Atoi(days); n > 36500 {
			err = strconv.ErrRange
		}
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		return errors.New("write a duration above 0, such as 30d, 12h or 90m")
	}
	*l = lifetime(d)
	return nil
}

func (l *lifetime) String() string {
	if *l == 0 {
		return ""
	}
	return time.Duration(*l).String()
}

func (l *lifetime) Type() string { return "duration" }

// Change changes the keys of the login at hand.
func (o KeyPlace) Change(a *run.Run, cmd *cobra.Command, change func([]broker.Key) ([]broker.Key, error)) error {
	p, err := a.StorePlace(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
	defer cancel()
	home, err := o.Of(p)
	if err != nil {
		return err
	}
	if home == broker.KeyFile("") {
		return NoRoom("--key-file")
	}
	return home.Change(ctx, change)
}

func (a *app) keyRevokeCommand(o *KeyPlace) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a key, and cut off what it has under way",
		Long: `Revoke a key. A server that runs takes it no longer, and ends its requests,
within two seconds. Access tokens that it has leased are good until they expire.`,
		Example: `  codexauth serve key revoke laptop`,
		Args:    run.OneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.Change(a.Run, cmd, func(keys []broker.Key) ([]broker.Key, error) {
				left := slices.DeleteFunc(slices.Clone(keys), func(k broker.Key) bool { return k.Name == args[0] })
				if len(left) == len(keys) {
					return nil, a.noKey(o, args[0])
				}
				return left, nil
			})
		},
	}
}
