// Package identity opens the key that --identity-file or the settings name.
package identity

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"codexauth"
	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/seal"
)

// A Key seals and opens logins.
type Key interface {
	codexauth.Sealer
	fmt.Stringer
	Handover() ([]byte, error) // for a process that can't ask anybody
}

// Open opens a file, fd:N for a descriptor that a parent process left open, or prompt
// for a passphrase. The key itself is never a flag's value. "" is nil: the store is
// plain.
func Open(name string, ui seal.UI) (Key, error) {
	descriptor, isDescriptor := strings.CutPrefix(name, "fd:")
	switch {
	case name == "":
		return nil, nil
	case name == "prompt":
		return seal.Prompt(ui), nil
	case strings.HasPrefix(name, "AGE-SECRET-KEY-"), strings.HasPrefix(name, "AGE-PLUGIN-"):
		return nil, hint.Usage("--identity-file is given a key itself, which every user of this machine can now see in the process list",
			"put it into a file of mode 0600 and name that; and make a new key")
	case !isDescriptor:
		return known(seal.OpenFile(name, ui))
	}
	n, err := strconv.ParseUint(descriptor, 10, 16)
	if err != nil || n < 3 {
		return nil, hint.Usagef("--identity-file %s does not name a descriptor (fd:3 and up)", cleantext.OneLine(name))
	}
	f := os.NewFile(uintptr(n), name)
	if f == nil {
		return nil, hint.Usagef("--identity-file %s names no open descriptor", cleantext.OneLine(name))
	}
	defer f.Close()
	return known(seal.Identities(f, name, ui))
}

// known keeps a nil Sealer from becoming a Key that is not nil.
func known(s *seal.Sealer, err error) (Key, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
