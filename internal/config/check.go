package config

import (
	"net/url"
	"path/filepath"
	"strings"

	"codexauth/internal/address"
	"codexauth/internal/hint"
)

// Check says what is wrong with a value that is to be set; nil if nothing is.
func Check(name, value string) error {
	if message, what := check(name, value); message != "" {
		return hint.Usage("this is "+article(name)+" "+message, what)
	}
	return nil
}

// article is a setting's name with its article.
func article(name string) string {
	if strings.HasPrefix(name, "i") {
		return "an " + name
	}
	return "a " + name
}

// check says what is wrong with a value, and what to do; "" if nothing is. It is
// about what the file must not say. Whether there is such a store, issuer or
// file shows when it is opened.
func check(name, value string) (message, what string) {
	const secret = "the file is no place for a secret: "
	switch {
	case value == "":
		return "that is empty", "take the line out for the default"
	case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "with a control character in it", "write it again"
	case strings.Contains(value, "AGE-SECRET-KEY-"), strings.Contains(value, "AGE-PLUGIN-"):
		return "that is a key itself", secret + "put the key into a file of mode 0600 and name that, or make a new one with `codexauth store keygen FILE`"
	case name == Store && address.HoldsPassword(value):
		return "with a password in it", secret + "put the password into a file of mode 0600 and add passfile=PATH to the address; if others could read the file, change the password"
	case (name == Store || name == Issuer) && hasUserPassword(value):
		return "with a password in it", secret + "take it out, and change it if others could read the file"
	case name == IdentityFile && strings.HasPrefix(value, "fd:"):
		return "that is a descriptor", "a descriptor is one process's; give it with --identity-file"
	case name == IdentityFile && value != "prompt" && value != Plain && !filepath.IsAbs(value), name == CAFile && !filepath.IsAbs(value):
		return "that is not an absolute path", "write the whole path, which means the same in every directory"
	case name == Store:
		return checkStore(value)
	}
	return "", ""
}

// checkStore refuses a directory or socket that depends on where a command is run.
func checkStore(value string) (message, what string) {
	kind, rest, found := strings.Cut(value, ":")
	if !found || filepath.VolumeName(value) != "" {
		return "without a kind of store", "write file:DIR, keyring:, postgres://…, etcd://… or broker+unix:PATH"
	}
	path, _, _ := strings.Cut(rest, "?")
	switch kind {
	case "file", "keyring", "broker+unix":
		if path != "" && !filepath.IsAbs(path) {
			return "whose path is not absolute", "write the whole path, which means the same in every directory"
		}
	}
	return "", ""
}

func hasUserPassword(value string) bool {
	u, err := url.Parse(value)
	if err != nil {
		return strings.Contains(value, "@")
	}
	_, has := u.User.Password()
	return has
}
