package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"codexauth/internal/hint"
	"codexauth/internal/private"
	"codexauth/internal/sharing"
)

const (
	// Variable names the file, in place of the usual one. What exec(1) calls "no
	// file" is none: /dev/null, or NUL on Windows.
	Variable = "CODEXAUTH_CONFIG"
	// fileName is what the file is called in its directory.
	fileName = "config.toml"
	maxSize  = 1 << 20
)

// Locate returns where the file is: $CODEXAUTH_CONFIG, else config.toml in
// $CODEXAUTH_HOME, which is a home of its own with settings of its own, else
// codexauth/config.toml in $XDG_CONFIG_HOME or the system's place for settings. named
// says that somebody named that very file. "" is nowhere.
func Locate() (path string, named bool, err error) {
	if path := os.Getenv(Variable); path != "" {
		if path == os.DevNull {
			return "", true, nil
		}
		if !filepath.IsAbs(path) {
			return "", true, hint.Usage(Variable+" is no absolute path", "write the whole path, which means the same in every directory")
		}
		return path, true, nil
	}
	if home := os.Getenv("CODEXAUTH_HOME"); home != "" {
		home, err := filepath.Abs(home)
		return filepath.Join(home, fileName), false, err
	}
	dir := usualDir()
	if dir == "" {
		return "", false, nil // who has no home has no settings there
	}
	return filepath.Join(dir, fileName), false, nil
}

// usualDir is the directory of the settings of whoever names no other; "" if there
// is no place for one.
func usualDir() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	// A relative path there is to be ignored (XDG Base Directory Specification).
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" || !filepath.IsAbs(dir) {
		var err error
		if dir, err = systemDir(); err != nil || !filepath.IsAbs(dir) {
			return ""
		}
	}
	return filepath.Join(dir, "codexauth")
}

// KeyFile is where a key file goes that nobody gave another place: beside the usual
// settings. It is not in $CODEXAUTH_HOME, which holds the logins that it is to seal:
// who copies those must not copy the key along.
func KeyFile() (string, error) {
	dir := usualDir()
	if dir == "" {
		return "", hint.Usage("there is no usual place for a key file", "name one")
	}
	return filepath.Join(dir, "login.key"), nil
}

// systemDir is ~/.config, ~/Library/Application Support or %AppData%.
func systemDir() (string, error) {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return os.UserConfigDir()
	}
	home, err := os.UserHomeDir()
	return filepath.Join(home, ".config"), err
}

// Read reads the file that Locate names. Where there is none, the File says
// nothing; but one that somebody named has to be there.
func Read() (*File, error) {
	path, named, err := Locate()
	if err != nil || path == "" {
		return &File{}, err
	}
	text, err := load(path)
	switch {
	case err == nil:
		return parse(path, text)
	case errors.Is(err, fs.ErrNotExist) && named:
		return nil, &Error{path, hint.Usage("are not there, and "+Variable+" names them", "`codexauth config set NAME VALUE` makes the file; unset "+Variable+" for the usual one")}
	case errors.Is(err, fs.ErrNotExist):
		return &File{Path: path}, nil
	}
	return nil, err
}

// load returns the text of the file at path, or an error that is fs.ErrNotExist or
// an [Error]. A link, such as people have who keep their settings in one place, is
// followed.
func load(path string) (string, error) {
	f, err := open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, linkErr := os.Lstat(path); linkErr == nil {
			return "", unusable(path, "are a link that leads nowhere", "fix the link or remove it; without it the defaults apply")
		}
		return "", fs.ErrNotExist
	}
	if err != nil {
		return "", unreadable(path, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", unreadable(path, err)
	}
	if err := trusted(path, info); err != nil {
		return "", err
	}
	if info.Size() > maxSize {
		return "", unusable(path, fmt.Sprintf("are larger than %d bytes", maxSize), "this can't be the config file that is meant")
	}
	data := make([]byte, info.Size()+1) // one more, to see the end or a growing file
	n, err := io.ReadFull(f, data)
	if err == nil {
		return "", unusable(path, "grew while they were read", "run the command again")
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", unreadable(path, err)
	}
	return string(data[:n]), nil
}

// open opens the file, also while `config set` of another process replaces it.
func open(path string) (f *os.File, err error) {
	once := func() error {
		f, err = os.OpenFile(path, os.O_RDONLY|nonBlocking, 0)
		return err
	}
	err = sharing.LookAgain(path+".lock", func() error { return sharing.Retry(once) })
	return f, err
}

func unreadable(path string, err error) error {
	var pathErr *fs.PathError
	if errors.As(err, &pathErr) {
		err = pathErr.Err
	}
	return unusable(path, "can't be read: "+err.Error(), "make the file readable for this user, or name another with "+Variable)
}

// trusted refuses a file that others could have written, or could replace.
func trusted(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return unusable(path, "are not in a regular file", "put a file there, or name another with "+Variable)
	}
	// Of what can't be examined doctor tells.
	if how, _ := private.Writable(path, info); how != "" {
		return unusable(path, "can't be trusted: the file "+how, "look at what it says, then make it yours alone, and your own if it is not: "+private.Remedy(path, false))
	}
	return trustedDir(path)
}

// trustedDir refuses a directory in which others could replace the file. On a file
// system that is read-only, as a volume of a container is, it may have any mode.
func trustedDir(path string) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return unreadable(path, err)
	}
	if how, _ := private.Writable(dir, info); how != "" && !readOnly(dir) {
		return unusable(path, "can't be trusted: their directory "+how, "look at what the file says, then make the directory yours alone, and your own if it is not: "+private.Remedy(dir, true))
	}
	return nil
}
