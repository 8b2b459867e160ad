package settingup

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"codexauth/internal/atomicfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/service"
	"codexauth/internal/sharing"
)

// A service is two things: files, and what the system has made of them. Between the
// two a process can die. So a file stands beside the others until both are done, and
// whoever finds it goes on, although the files are as they should be.

func unfinished(files []service.File) string {
	return filepath.Join(filepath.Dir(files[0].Path), service.Label+".unfinished")
}

// isUnfinished reports whether whoever changed the service last died on the way.
func isUnfinished(files []service.File) (bool, error) {
	_, err := os.Lstat(unfinished(files))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func beginService(files []service.File) error {
	path := unfinished(files)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, []byte(service.Mark+"\n"), atomicfile.Options{})
}

func endService(files []service.File) error { return atomicfile.Remove(unfinished(files)) }

// installService puts files in the place of those before, and has the system go by
// them. If it doesn't, they are as they were.
func installService(ctx context.Context, m systemService, files []service.File, was before) error {
	cut, err := isUnfinished(files)
	if err != nil {
		return err
	}
	if err := m.ready(ctx); err != nil {
		return err
	}
	if err := beginService(files); err != nil {
		return hint.Mend(err, "run this again", "")
	}
	if err = writeAll(files); err == nil {
		err = m.start(ctx, files, was.all())
	}
	if err == nil {
		return endService(files)
	}
	err = errors.Join(err, was.comeBack(context.WithoutCancel(ctx), m, files))
	if !cut { // else it is as unfinished as whoever began it left it
		err = errors.Join(err, endService(files))
	}
	return hint.Mend(err, "run this again", "")
}

// comeBack puts everything back, and has the system go by that as far as it will.
func (b before) comeBack(ctx context.Context, m systemService, files []service.File) error {
	again := b.all()
	if !again {
		_ = m.stop(ctx, files) // what has begun, if anything
	}
	if err := b.restore(); err != nil {
		return err
	}
	if again {
		_ = m.start(ctx, b, true)
	} else {
		_ = m.gone(ctx)
	}
	return nil
}

// removeService stops the service and removes its files.
func removeService(ctx context.Context, m systemService, files []service.File) error {
	cut, err := isUnfinished(files)
	if err != nil {
		return err
	}
	const again = "run `codexauth setup service --undo` again"
	if err := beginService(files); err != nil {
		return hint.Mend(err, again, "")
	}
	stopErr := m.stop(ctx, files)
	if cut && m.state(ctx) == "inactive" {
		stopErr = nil // it is stopped, and may not know the name of what is removed
	}
	for _, f := range files {
		if err := sharing.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return hint.Mend(errors.Join(err, stopErr), again, "")
		}
	}
	if err := errors.Join(stopErr, m.gone(ctx)); err != nil {
		return hint.With(err, "its files are removed; a broker that still runs ends when it is stopped, or at the end of your session")
	}
	return endService(files)
}

// before are files as they were; a nil text is one that was not there.
type before []service.File

// standing reads what is where files are to be. Whatever is not of our making is left
// alone.
func standing(files []service.File) (was before, changed bool, err error) {
	for _, f := range files {
		text, err := os.ReadFile(f.Path)
		if errors.Is(err, fs.ErrNotExist) {
			text, err = nil, nil
		}
		if err != nil {
			return nil, false, err
		}
		if text != nil && !service.Ours(text) {
			return nil, false, hint.With(errors.New("there is a file that this command did not write: "+cleantext.OneLine(f.Path)), "move it away first, or keep it and don't run this command")
		}
		changed = changed || string(text) != string(f.Text)
		was = append(was, service.File{Path: f.Path, Text: text})
	}
	return was, changed, nil
}

func (b before) all() bool {
	return !slices.ContainsFunc(b, func(f service.File) bool { return f.Text == nil })
}

func (b before) none() bool {
	return !slices.ContainsFunc(b, func(f service.File) bool { return f.Text != nil })
}

// restore puts everything back.
func (b before) restore() (err error) {
	for _, f := range b {
		now, readErr := os.ReadFile(f.Path)
		switch {
		case readErr == nil && f.Text != nil && string(now) == string(f.Text), errors.Is(readErr, fs.ErrNotExist) && f.Text == nil:
		case f.Text != nil:
			err = errors.Join(err, atomicfile.Write(f.Path, f.Text, atomicfile.Options{}))
		default:
			err = errors.Join(err, sharing.Remove(f.Path))
		}
	}
	return err
}

func writeAll(files []service.File) error {
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return err
		}
		if err := atomicfile.Write(f.Path, f.Text, atomicfile.Options{}); err != nil {
			return err
		}
	}
	return nil
}
