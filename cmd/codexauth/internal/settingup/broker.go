package settingup

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"codexauth"
	"codexauth/broker"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/internal/address"
	"codexauth/internal/atomicfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/private"
	"codexauth/internal/tools"
)

// brokerURL is where tools reach the broker unless it is said otherwise.
const brokerURL = "http://" + usualListen + "/v1"

// toolURL is the address that a tool is given: it ends in /v1.
func toolURL(text string) (string, error) {
	if text == "" {
		return brokerURL, nil
	}
	u, err := url.Parse(text)
	wrong := func(what string) error { return hint.Usage("--url "+what, "write one such as "+brokerURL) }
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", wrong("can't be used: it needs a host, and takes neither a user, a query nor a fragment")
	case u.Scheme != "https" && (u.Scheme != "http" || !address.Loopback(u.Hostname())):
		return "", wrong("can't be used: beyond this machine it takes https")
	}
	path := strings.TrimSuffix(u.Path, "/")
	if !strings.HasSuffix(path, "/v1") {
		path += "/v1"
	}
	return u.Scheme + "://" + u.Host + path, nil
}

// serveCommandFor is the command that serves at a tool's address.
func (a *app) serveCommandFor(at string) string {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" {
		return a.Command("serve")
	}
	return a.Command("serve --listen " + u.Host)
}

const (
	brokerReady    = "ready"
	brokerAbsent   = "absent"
	brokerStranger = "stranger" // somebody is there who does not know the key
)

// brokerState asks at the tool's address, first without the key.
func (a *app) brokerState(ctx context.Context, b tools.Broker) string {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	base := strings.TrimSuffix(b.URL, "/v1")
	status, body, err := ask(ctx, base+"/healthz", "")
	if err != nil {
		return brokerAbsent
	}
	var health struct{ Status string }
	if status != http.StatusOK || json.Unmarshal(body, &health) != nil || health.Status != "ok" {
		return brokerStranger
	}
	// Whatever it says of that path, it says 401 to a key that it does not know.
	if status, _, err = ask(ctx, base+"/metrics", b.Key); err != nil || status == http.StatusUnauthorized {
		return brokerStranger
	}
	return brokerReady
}

func ask(ctx context.Context, at, key string) (status int, body []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at, nil)
	if err != nil {
		return 0, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // through no proxy, as tools do on loopback
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp.StatusCode, body, err
}

func (a *app) tellBroker(state string, t tools.Tool, b tools.Broker) {
	at := strings.TrimSuffix(b.URL, "/v1")
	switch state {
	case brokerReady:
		a.Say("The broker at %s is ready. Try it: %s", at, t.Run)
	case brokerAbsent:
		a.Say("Nothing answers at %s yet. Start this and leave it running, then try it: %s", at, t.Run)
		a.Say("  %s", strings.Trim(a.serveCommandFor(b.URL), "`"))
	case brokerStranger:
		a.Say("warning: what answers at %s does not know this key. If it is another program, or serves another login, choose another port: --url http://127.0.0.1:8462", at)
	}
}

// toolModels are the models of the backend's list, the chosen one first.
func (a *app) toolModels(ctx context.Context, m *codexauth.Manager, p *place.Place, choice string) ([]tools.Model, error) {
	models, err := a.listModels(ctx, m, p)
	if err != nil && choice != "" && !errors.Is(err, codexauth.ErrSignedOut) {
		a.Say("codexauth: the backend's list of models can't be read (%s), so only %s is set up", cleantext.OneLine(err.Error()), cleantext.OneLine(choice))
		return []tools.Model{{ID: choice}}, nil
	}
	if err != nil {
		return nil, err
	}
	if choice == "" {
		return models, nil
	}
	i := slices.IndexFunc(models, func(m tools.Model) bool { return m.ID == choice })
	if i < 0 {
		var names []string
		for _, m := range models {
			names = append(names, m.ID)
		}
		return nil, hint.Usage(fmt.Sprintf("there is no model %q for this login", cleantext.Message(choice)), "there are "+strings.Join(names, ", "))
	}
	return slices.Concat(models[i:i+1], models[:i], models[i+1:]), nil
}

// listModels asks the backend, as a tool would.
func (a *app) listModels(ctx context.Context, m *codexauth.Manager, p *place.Place) ([]tools.Model, error) {
	defer a.Waiting()()
	if _, err := m.Token(ctx); err != nil {
		return nil, err
	}
	f, err := serving.StartFront(a.Run, m, p, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	status, body, err := ask(ctx, f.URL+"/v1/models", f.Key)
	var list struct {
		Data []struct {
			ID      string
			Context int64 `json:"context_window"`
		}
	}
	if err == nil && (status != http.StatusOK || json.Unmarshal(body, &list) != nil || len(list.Data) == 0) {
		err = fmt.Errorf("the backend answers with HTTP %d", status)
	}
	if err != nil {
		return nil, hint.With(fmt.Errorf("the backend's list of models can't be read: %w", err), "try again later, or name a model with --model")
	}
	var models []tools.Model
	for _, one := range list.Data {
		models = append(models, tools.Model{ID: one.ID, Context: one.Context})
	}
	return models, nil
}

// A toolKey is a tool's key for the broker, and the file in which it stands.
type toolKey struct {
	text, file string
	fresh      bool         // it is not from an earlier setup
	keep       func() error // makes it good, and writes it down
}

func toolKeyFile(p *place.Place, name string) string {
	return filepath.Join(p.LockDir, "tool-keys", name)
}

// toolKey is the key that the tool has from an earlier setup, or a new one.
func (a *app) toolKey(cmd *cobra.Command, p *place.Place, name string) (toolKey, error) {
	k := toolKey{file: toolKeyFile(p, name)}
	old, err := atomicfile.Read(k.file, 4096, func(info fs.FileInfo) error { return private.CheckFile(k.file, info) })
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return k, fmt.Errorf("the key of an earlier setup can't be read: %w", err)
	}
	text, key, err := broker.NewKey(name)
	if err != nil {
		return k, err
	}
	if cmd.Flags().Changed(config.Profile) { // as for a key that is made by hand
		key.Login = cmd.Flag(config.Profile).Value.String()
	}
	if kept := strings.TrimSpace(string(old)); kept != "" {
		text, key.SHA256 = kept, sha256.Sum256([]byte(kept))
	}
	k.text, k.fresh = text, len(old) == 0
	k.keep = func() error {
		if err := private.MkdirAll(filepath.Dir(k.file)); err != nil {
			return err
		}
		if err := atomicfile.Write(k.file, []byte(text+"\n"), atomicfile.Options{}); err != nil {
			return err
		}
		err := (serving.KeyPlace{In: serving.KeysInFile}).Change(a.Run, cmd, func(keys []broker.Key) ([]broker.Key, error) {
			for _, other := range keys {
				if other.SHA256 == key.SHA256 {
					return keys, nil // with whatever limits it was given since
				}
				if other.Name == name {
					return nil, hint.Usage("there is a key named "+name+" already, which was made by hand", a.Command("serve key revoke "+name)+", then run this again")
				}
			}
			return append(keys, key), nil
		})
		if err != nil && k.fresh {
			err = errors.Join(err, atomicfile.Remove(k.file)) // it opens nothing
		}
		return err
	}
	return k, nil
}

// dropToolKey revokes the key of a tool that was set up, if there is one.
func (a *app) dropToolKey(cmd *cobra.Command, p *place.Place, name string) (revoked bool, err error) {
	file := toolKeyFile(p, name)
	text, err := atomicfile.Read(file, 4096, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sum := sha256.Sum256([]byte(strings.TrimSpace(string(text))))
	err = (serving.KeyPlace{In: serving.KeysInFile}).Change(a.Run, cmd, func(keys []broker.Key) ([]broker.Key, error) {
		return slices.DeleteFunc(keys, func(k broker.Key) bool { return k.SHA256 == sum }), nil
	})
	if err != nil {
		return false, err
	}
	return true, atomicfile.Remove(file)
}
