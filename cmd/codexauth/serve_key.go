package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"codexauth/broker"
)

func (a *app) serveKeyCommand(o *serveOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make, list and revoke the keys of `codexauth serve`",
		Example: `  codexauth serve key add ci --expires 720h
  codexauth serve key list
  codexauth serve key revoke ci`,
		Args: unknownCommand,
		RunE: noCommand,
	}
	cmd.AddCommand(a.keyAddCommand(o), a.keyListCommand(o), a.keyRevokeCommand(o))
	return cmd
}

func (a *app) keyAddCommand(o *serveOptions) *cobra.Command {
	var lease bool
	var expires time.Duration
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Make a key and print it, once",
		Long: `Make a key and print it. Only its hash is kept, so it can't be shown again.

A key lets its holder use the login through the server, no more. With --lease it
also gives out access tokens, and those stay good until they expire, even after
their key was revoked.`,
		Example: `  codexauth serve key add laptop
  codexauth serve key add ci --expires 720h --lease`,
		Args: oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyAdd(cmd, o, args[0], lease, expires) },
	}
	cmd.Flags().BoolVar(&lease, "lease", false, "the key may also fetch access tokens (POST /token)")
	cmd.Flags().DurationVar(&expires, "expires", 0, "`DURATION` for which the key is good, such as 720h (default until it is revoked)")
	return cmd
}

func (a *app) keyAdd(cmd *cobra.Command, o *serveOptions, name string, lease bool, expires time.Duration) error {
	if expires < 0 || expires == 0 && cmd.Flags().Changed("expires") {
		return usagef("--expires %v is not a time to come", expires)
	}
	text, key, err := broker.NewKey(name)
	if err != nil {
		return &usageError{err.Error(), ""}
	}
	key.Lease = lease
	if expires > 0 {
		key.Expires = time.Now().Add(expires).Round(time.Second)
	}
	err = a.changeKeys(cmd, o, func(keys []broker.Key) ([]broker.Key, error) {
		if slices.ContainsFunc(keys, func(k broker.Key) bool { return k.Name == name }) {
			return nil, &usageError{fmt.Sprintf("there is a key named %s already", name), "name another one, or revoke that one first"}
		}
		return append(keys, key), nil
	})
	if err != nil {
		return err
	}
	if a.flags.json {
		return a.printJSON(struct {
			keyBody
			Key string `json:"key"`
		}{bodyOf(key), text})
	}
	return a.print(text + "\n")
}

func (a *app) changeKeys(cmd *cobra.Command, o *serveOptions, change func([]broker.Key) ([]broker.Key, error)) error {
	p, err := a.storePlace(cmd)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), 10*time.Second)
	defer cancel()
	file := o.keys(p)
	if file == "" {
		return noRoom("--key-file")
	}
	return file.Change(ctx, change)
}

// A keyBody is a key in JSON, without what opens anything.
type keyBody struct {
	Name      string `json:"name"`
	Lease     bool   `json:"lease"`
	ExpiresAt string `json:"expires_at,omitempty"`
}

func bodyOf(k broker.Key) keyBody {
	b := keyBody{Name: k.Name, Lease: k.Lease}
	if !k.Expires.IsZero() {
		b.ExpiresAt = rfc3339(k.Expires)
	}
	return b
}

func (a *app) keyListCommand(o *serveOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "List the keys by name; the keys themselves are not kept",
		Example: `  codexauth serve key list
  codexauth serve key list --json | jq -r '.[].name'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keyList(cmd, o) },
	}
}

func (a *app) keyList(cmd *cobra.Command, o *serveOptions) error {
	p, err := a.storePlace(cmd)
	if err != nil {
		return err
	}
	keys, err := o.keys(p).Load()
	if err != nil {
		return err
	}
	bodies, rows := []keyBody{}, [][]string{{"NAME", "LEASE", "EXPIRES"}}
	for _, k := range keys {
		b := bodyOf(k)
		bodies = append(bodies, b)
		row := []string{b.Name, "no", "never"}
		if k.Lease {
			row[1] = "yes"
		}
		if !k.Expires.IsZero() {
			row[2] = when(k.Expires, time.Now())
		}
		rows = append(rows, row)
	}
	if a.flags.json {
		return a.printJSON(bodies)
	}
	if len(keys) == 0 {
		a.say("There are no keys in %s; `codexauth serve key add NAME` makes one.", oneLine(filepath.Clean(string(o.keys(p)))))
		return nil
	}
	return a.printTable(rows)
}

func (a *app) keyRevokeCommand(o *serveOptions) *cobra.Command {
	return &cobra.Command{
		Use:   "revoke NAME",
		Short: "Revoke a key, and cut off what it has under way",
		Long: `Revoke a key. A server that runs takes it no longer, and ends its requests,
within two seconds. Access tokens that it has leased are good until they expire.`,
		Example: `  codexauth serve key revoke laptop`,
		Args:    oneArg("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.changeKeys(cmd, o, func(keys []broker.Key) ([]broker.Key, error) {
				left := slices.DeleteFunc(slices.Clone(keys), func(k broker.Key) bool { return k.Name == args[0] })
				if len(left) == len(keys) {
					return nil, &hintedError{fmt.Errorf("there is no key named %q", oneLine(args[0])), "`codexauth serve key list` lists them"}
				}
				return left, nil
			})
		},
	}
}
