package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"codexauth"
	"codexauth/internal/rig"
)

// upgraded: a server runs on while its program's file becomes another version's,
// and has its refreshes done by that. "codexauth" logs no fault points, and "older"
// does, which tells the two apart.
func (v *versionPair) upgraded(before, after string) error {
	t, err := v.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	path := filepath.Join(t.Dir, "codexauth")
	if err := copyProgram(t.Program(before), path); err != nil {
		return err
	}
	t.Server.SetAccessTTL(3 * time.Second)
	key := t.RunProgram(before, nil, "serve", "key", "add", "client")
	if err := key.Want(0); err != nil {
		return err
	}
	server, err := t.StartPath(path, t.pointEnv(""), "--json", "serve", "--listen", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM) // it may have ended
		server.End()
	}()
	var ready struct{ URL string }
	if err := rig.Until("the server", func() bool { return json.Unmarshal([]byte(server.Out.String()), &ready) == nil || !server.Runs() }); err != nil {
		return err
	}
	models := func() error {
		status, err := statusOf(ready.URL+"/backend-api/codex/models", strings.TrimSpace(key.Out))
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("a client got %d: %s", status, server.Errs.String())
		}
		return err
	}
	if err := models(); err != nil {
		return err
	}
	if err := errors.Join(copyProgram(t.Program(after), path+".new"), os.Rename(path+".new", path)); err != nil {
		return err
	}
	refreshes, logged := t.counters().Refreshes, len(t.passages())
	for end := time.Now().Add(rig.Pick(v.b.Run, 5*time.Second, 20*time.Second)); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err := models(); err != nil {
			return err
		}
	}
	t.Server.SetAccessTTL(time.Hour)
	err = t.noReuse()
	if n := t.counters().Refreshes - refreshes; n < 1 {
		err = errors.Join(err, errors.New("nothing was refreshed since the other version is there"))
	}
	since := t.passages()[logged:]
	if (len(since) > 0) != (after == "older") {
		err = errors.Join(err, fmt.Errorf("it was not %s that refreshed: the points passed are %v", after, since))
	}
	for _, p := range since {
		if p.pid == server.Process.Pid {
			err = errors.Join(err, errors.New("the server refreshed by itself"))
		}
	}
	return errors.Join(err, t.livesOn(), t.noRescue())
}

func copyProgram(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o700)
}

// fieldOfLater is what a later version may have put into a record.
const fieldOfLater = "of_a_later_version"

// unknownFields: what this version does not know of a record outlives a storm of it.
func (v *versionPair) unknownFields() error {
	t, err := v.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.plantField(); err != nil {
		return err
	}
	if err := t.Fault("latency=200ms*1@refresh"); err != nil {
		return err
	}
	_, tokens, faults := together(16, func(int) result { return t.Run("token") })
	err = errors.Join(faults...)
	if len(tokens) != 1 {
		err = errors.Join(err, fmt.Errorf("%d different tokens", len(tokens)))
	}
	err = errors.Join(err, t.requests(1))
	for range 3 {
		err = errors.Join(err, t.Run("refresh").Want(0))
	}
	data, readErr := t.record()
	_, body, _ := bytes.Cut(data, []byte("\n"))
	var rec struct {
		Field      string `json:"of_a_later_version"`
		Credential struct {
			Field string `json:"of_a_later_version"`
		} `json:"credential"`
	}
	err = errors.Join(err, readErr, json.Unmarshal(body, &rec), t.requests(4))
	if rec.Field != "kept" || rec.Credential.Field != "kept" {
		err = errors.Join(err, fmt.Errorf("fields of a later version were dropped: %+v", rec))
	}
	return errors.Join(err, t.noRescue())
}

// plantField puts a field of a later version into the stored record, and into the
// credential in it.
func (t *trial) plantField() error {
	store, err := t.Open()
	if err != nil {
		return err
	}
	defer rig.CloseStore(store)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	claim, err := store.Claim(ctx, codexauth.DefaultKey)
	if err != nil {
		return err
	}
	head, body, _ := bytes.Cut(claim.Record(), []byte("\n"))
	var rec map[string]any
	if err := json.Unmarshal(body, &rec); err != nil {
		return errors.Join(err, claim.Release())
	}
	rec[fieldOfLater] = "kept"
	if credential, ok := rec["credential"].(map[string]any); ok {
		credential[fieldOfLater] = "kept"
	}
	if body, err = json.Marshal(rec); err != nil {
		return errors.Join(err, claim.Release())
	}
	// The first line: magic, version, format, length and checksum of the rest.
	fields := strings.Fields(string(head))
	fields[3], fields[4] = fmt.Sprint(len(body)), fmt.Sprintf("%x", sha256.Sum256(body))
	return errors.Join(claim.Commit(ctx, append([]byte(strings.Join(fields, " ")+"\n"), body...)), claim.Release())
}
