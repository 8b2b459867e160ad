package codexauth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/private"
)

// A rescue file holds a successor that the store did not take: the server has
// spent the old token, so the new one must survive somewhere. Its name is unique
// for each rotation; it is looked for under every claim, and goes into the store
// if the store still holds the state that it follows.

// rescueDirs returns where rescue files may be, best first. None is near the
// store: its file system may be the one that fails, and what is written below a
// volume that went away is hidden when it comes back.
func (c *Config) rescueDirs() []string {
	if c.RescueDir != "" {
		return []string{c.RescueDir}
	}
	var dirs []string
	if cache, err := os.UserCacheDir(); err == nil {
		dirs = append(dirs, filepath.Join(cache, "codexauth-rescue"))
	}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); runtime != "" {
		dirs = append(dirs, filepath.Join(runtime, "codexauth-rescue"))
	}
	return append(dirs, filepath.Join(os.TempDir(), fmt.Sprintf("codexauth-rescue-%d", os.Geteuid())))
}

// rescuePrefix begins the names of a key's rescue files.
func (c *Config) rescuePrefix() string {
	sum := sha256.Sum256([]byte(c.Key))
	return hex.EncodeToString(sum[:8]) + "-"
}

// spillCopies is in how many places a rescue file is put: one of them may lie on
// the file system that has just failed, too.
const spillCopies = 2

// spill writes next to rescue files and returns their paths.
func (m *Manager) spill(next *record) (paths []string, err error) {
	data, err := m.cfg.encode(next)
	if err != nil {
		return nil, err
	}
	err = fs.ErrNotExist
	name := m.cfg.rescuePrefix() + rand.Text() + ".record"
	for _, dir := range m.cfg.rescueDirs() {
		if mkErr := makeRescueDir(dir); mkErr != nil {
			err = mkErr
			continue
		}
		path := filepath.Join(dir, name)
		if writeErr := atomicfile.Write(path, data, atomicfile.Options{}); writeErr != nil {
			err = writeErr
			continue
		}
		if paths = append(paths, path); len(paths) == spillCopies {
			break
		}
	}
	if len(paths) > 0 {
		err = nil
	}
	return paths, err
}

// makeRescueDir makes dir, and the one above it, but no more: a home directory
// that is missing is a volume that is not mounted, and not ours to make.
func makeRescueDir(dir string) error {
	if _, err := os.Stat(filepath.Dir(filepath.Dir(dir))); err != nil {
		return err
	}
	return private.MkdirAll(dir)
}

// rescueFiles lists this key's rescue files.
func (m *Manager) rescueFiles() (paths []string) {
	for _, dir := range m.cfg.rescueDirs() {
		names, _ := m.rescueNames(dir)
		for _, name := range names {
			paths = append(paths, filepath.Join(dir, name))
		}
	}
	return paths
}

// pickUp brings a rescued successor of rec into the store and returns it, or
// rec itself. Rescue files that are overtaken are removed.
func (m *Manager) pickUp(ctx context.Context, claim Claim, rec *record) (*record, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second) // the rescue file is safe: no need to insist
	defer cancel()
	for _, path := range m.rescueFiles() {
		rescued, err := m.readRescue(path)
		switch {
		case err != nil:
			m.log.Warn("a rescue file can't be read", "file", path, "error", err)
			continue
		case rescued.follows(rec):
			if rec, err = m.save(ctx, claim, rec, rescued, []string{path}); err != nil {
				return nil, err
			}
			m.log.Warn("a rescued credential was put back into the store", "key", m.cfg.Key, "seq", rescued.Seq)
			continue
		case rescued.Login == rec.Login && rescued.Seq > rec.Seq:
			continue // of a later state than the store's: keep it
		}
		if err := atomicfile.Remove(path); err != nil {
			m.log.Warn("removing a rescue file that is no longer needed", "file", path, "error", err)
		}
	}
	return rec, nil
}

func (m *Manager) readRescue(path string) (*record, error) {
	data, err := atomicfile.Read(path, maxRecord, func(info fs.FileInfo) error { return private.CheckFile(path, info) })
	if err != nil {
		return nil, err
	}
	rec, err := m.cfg.decode(data)
	if err == nil && rec.Credential == nil {
		err = ErrDamaged
	}
	return rec, err
}

// follows reports whether r is what a refresh made of cur: the same login, one
// step on, and cur's refresh token is the one that was spent (or it was kept).
func (r *record) follows(cur *record) bool {
	if r.Login != cur.Login || r.Seq != cur.Seq+1 || cur.Credential == nil {
		return false
	}
	return r.Credential.RefreshToken == cur.Credential.RefreshToken ||
		slices.Contains(r.Spent[:min(1, len(r.Spent))], cur.fingerprint())
}
