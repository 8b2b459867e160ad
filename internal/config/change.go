package config

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"codexauth/internal/atomicfile"
	"codexauth/internal/hint"
	"codexauth/internal/lockfile"
)

// lockPatience is how long a change waits for another one, which takes a moment.
const lockPatience = 10 * time.Second

// A Change is made to the file as it is when its turn has come.
type Change struct {
	edit func(lines) lines
	mean func(*File)
}

// Set sets a setting: a profile's own, or everybody's for the profile "".
func Set(profile, name, value string) Change {
	return Change{
		func(l lines) lines { return l.set(profile, name, value) },
		func(f *File) {
			if profile == "" {
				f.top[name] = value
				return
			}
			if f.profiles[profile] == nil {
				f.profiles[profile] = map[string]string{}
			}
			f.profiles[profile][name] = value
		},
	}
}

// Unset takes a setting out.
func Unset(profile, name string) Change {
	return Change{
		func(l lines) lines { return l.unset(profile, name) },
		func(f *File) {
			if profile == "" {
				delete(f.top, name)
				return
			}
			delete(f.profiles[profile], name)
		},
	}
}

// Rename gives what is said of one profile to another name.
func Rename(from, to string) Change {
	return Change{
		func(l lines) lines { return l.rename(from, to) },
		func(f *File) {
			if table, there := f.profiles[from]; there {
				delete(f.profiles, from)
				f.profiles[to] = table
			}
			if f.top[Profile] == from {
				f.top[Profile] = to
			}
		},
	}
}

// Try reports whether changes can be made: the file can be read, they can be written
// into it, and its directory and disk take a new file of that size. It changes nothing.
func Try(ctx context.Context, changes ...Change) error {
	_, err := apply(ctx, false, changes)
	return err
}

// Apply makes changes, all or none, and returns the file's path. Two that are made
// at once are both made. The file is replaced whole and is this user's alone.
func Apply(ctx context.Context, changes ...Change) (path string, err error) {
	return apply(ctx, true, changes)
}

func apply(ctx context.Context, write bool, changes []Change) (path string, err error) {
	named, _, err := Locate()
	if err != nil {
		return "", err
	}
	if named == "" {
		return "", hint.Usage("there is no place for a config file", "name one with "+Variable)
	}
	if path, err = target(named); err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", unwritable(path, err)
	}
	if err := trustedDir(path); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	unlock, err := lockfile.Lock(ctx, path+".lock")
	if err != nil {
		return "", unwritable(path, err)
	}
	defer unlock()
	text, err := load(named)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	edited, err := edit(path, text, changes)
	if err != nil || edited == text {
		return path, err
	}
	if !write {
		return path, rehearse(path, edited)
	}
	if err := atomicfile.Write(path, []byte(edited), atomicfile.Options{}); err != nil {
		return "", unwritable(path, err)
	}
	return path, nil
}

// rehearse writes what is to be written beside the file, and takes it away again.
func rehearse(path, text string) error {
	trial := path + ".trial"
	err := atomicfile.Write(trial, []byte(text), atomicfile.Options{})
	if err == nil {
		err = atomicfile.Remove(trial)
	}
	if err != nil {
		return unwritable(path, err)
	}
	return nil
}

// target is the file to replace where path may be a link to it.
func target(path string) (string, error) {
	resolved, err := filepath.EvalSymlinks(path)
	if err == nil {
		return resolved, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", unreadable(path, err)
	}
	if _, err := os.Lstat(path); err == nil {
		_, err := load(path) // which says what is wrong with the link
		return "", err
	}
	return path, nil
}

func unwritable(path string, err error) error {
	const otherwise = "edit the file by hand, or name another with " + Variable
	return &Error{path, hint.Mend(fmt.Errorf("can't be changed: %w", err), "run this again; or name another file with "+Variable, otherwise)}
}

// edit returns the text with the changes, once it is sure that the text says what
// it is to say and nothing else.
func edit(path, text string, changes []Change) (string, error) {
	want, err := parse(path, text)
	if err != nil {
		return "", err
	}
	l := split(text)
	for _, c := range changes {
		l = c.edit(l)
		c.mean(want)
	}
	edited := l.text()
	got, err := parse(path, edited)
	if err != nil {
		return "", fmt.Errorf("nothing was changed, since then %w", err)
	}
	if !got.says(want) {
		return "", unusable(path, "are written in a way that can't be changed safely; nothing was changed", "edit the file by hand")
	}
	return edited, nil
}
