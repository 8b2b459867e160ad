//go:build unix

package keyring

import (
	"encoding/base64"
	"errors"
	"os/exec"
	"strings"

	keyrings "github.com/zalando/go-keyring"
)

// base64Prefix is before what go-keyring puts in the Keychain.
const base64Prefix = "go-keyring-base64:"

// securityItem reads an item of macOS' Keychain with tool, as go-keyring does, which
// however takes what the tool writes to standard error, such as a warning of the
// system, for a part of the item.
func securityItem(tool, account string) (string, error) {
	out, err := exec.Command(tool, "find-generic-password", "-s", service, "-wa", account).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) && kindOfExit(exit.ExitCode()) == ErrMissing {
		return "", keyrings.ErrNotFound
	}
	if err != nil {
		return "", err
	}
	text := strings.TrimSpace(string(out))
	encoded, ok := strings.CutPrefix(text, base64Prefix)
	if !ok {
		return text, nil // a person put it there
	}
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", errors.New("the item is not in the form that it was written in")
	}
	return string(decoded), nil
}
