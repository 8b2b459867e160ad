package place

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/private"
	"codexauth/store/file"
)

// Open opens the store that an address names, with the kinds that the program links.
// Nothing of an address is repeated in an error but its kind: it may hold a password.
func (p *Place) Open(address string, kinds []Kind) error {
	kind, rest, found := strings.Cut(address, ":")
	if address == "" {
		kind, found = "file", true
	}
	const example = "write file:DIR, keyring:, postgres://…, etcd://… or broker+unix:PATH, for example --store file:/var/lib/codexauth"
	if !found || filepath.VolumeName(address) != "" { // C:\x is no store of the kind C
		return p.noKind(address, example)
	}
	p.Address = address
	switch kind {
	case "file":
		return p.openFile(rest)
	case "broker+unix", "broker+http", "broker+https":
		return p.openBroker(address)
	}
	k, link, known := opener(kinds, kind)
	switch {
	case !known:
		return hint.Usage(p.called()+" names an unknown kind of store", example)
	case k == nil:
		return notLinked("the login is in a store of the kind "+string(link), link)
	}
	return k.Open(p, address, rest)
}

// noKind refuses an address without a kind. It is shown where it is a path, which
// holds no password, and then with the kind that it lacks.
func (p *Place) noKind(address, example string) error {
	if !filepath.IsAbs(address) && !strings.HasPrefix(address, "/") && !strings.HasPrefix(address, ".") {
		return hint.Usage(p.called()+" does not name a kind of store", example)
	}
	path := cleantext.OneLine(address)
	return hint.Usage(fmt.Sprintf("%s is %s, which does not name a kind of store", p.called(), path), fmt.Sprintf("write file:%s for a directory", path))
}

// called is what gave the address.
func (p *Place) called() string { return cmp.Or(p.Called, "--store (or CODEXAUTH_STORE)") }

// openFile opens the store in a directory; "" is the default one.
func (p *Place) openFile(dir string) error {
	dir, err := Directory(dir, file.DefaultDir)
	if err != nil {
		return err
	}
	store, err := file.Open(dir)
	if err != nil {
		return err
	}
	p.Store, p.Address, p.LockDir = store, store.String(), dir
	return nil
}

// Directory makes the directory of an address absolute; "" is the usual one.
func Directory(dir string, usual func() (string, error)) (_ string, err error) {
	if dir == "" {
		if dir, err = usual(); err != nil {
			return "", err
		}
	}
	if strings.HasPrefix(dir, "~") {
		return "", hint.Usage("the shell left the ~ in the address of a store as it is", "write $HOME instead: \"file:$HOME/…\"")
	}
	if dir, err = filepath.Abs(dir); err == nil && !utf8.ValidString(dir) {
		return "", hint.Usage(fmt.Sprintf("the store's directory %q is not UTF-8", dir), "name another one with --store file:DIR or CODEXAUTH_HOME")
	}
	return dir, err
}

// Lasting is the address of the store for the config file, where it was opened
// as given: it means the same in every process of this user's. The usual directories
// stay unnamed, unless only this process's environment makes them the usual ones.
func (p *Place) Lasting(given string) string {
	kind, rest, _ := strings.Cut(given, ":")
	if rest == "" && (kind == "" || kind == "file" || kind == "keyring") && os.Getenv("XDG_STATE_HOME") == "" && (os.Getenv("CODEXAUTH_HOME") == "" || os.Getenv("CODEXAUTH_CONFIG") == "") {
		return cmp.Or(kind, "file") + ":"
	}
	if p.Broker != nil {
		if portable, err := p.Broker.Portable(); err == nil {
			return portable
		}
	}
	return p.Address
}

// LocalDir is a directory on this machine for lock files about a store that is
// elsewhere, under a name of that store without secrets. It is "" where none can
// be made, as on a read-only root file system: then every process does for itself
// what one could do for all.
func LocalDir(store string) string {
	name := sha256.Sum256([]byte(store))
	var places []string
	if dir, err := file.DefaultDir(); err == nil {
		places = append(places, filepath.Join(dir, "elsewhere"))
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); filepath.IsAbs(dir) {
		places = append(places, filepath.Join(dir, "codexauth"))
	}
	places = append(places, filepath.Join(os.TempDir(), "codexauth-"+private.Me()))
	for _, dir := range places {
		dir = filepath.Join(dir, hex.EncodeToString(name[:8]))
		if private.MkdirAll(dir) == nil && mayWrite(dir) {
			return dir
		}
	}
	return ""
}
