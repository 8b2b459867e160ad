// Package environ says what of the environment goes to which process that we
// start. Names are compared without case throughout, as Windows does it.
package environ

import (
	"slices"
	"strings"
)

// OfChild keeps what a process that rotates a login needs: where things are, how
// to reach servers, and what opens the store. Above all it leaves out what only
// marks a process as somebody's: CI systems end every process that bears the mark
// of a job, whatever its session or group (RUNNER_TRACKING_ID, JENKINS_NODE_COOKIE,
// BUILD_ID), and there is no list of all such marks.
func OfChild(env []string) []string { return keep(env, neededByChild) }

func neededByChild(name string) bool {
	for _, prefix := range []string{
		"CODEXAUTH_", "PG", "ETCDCTL_", "DBUS_", "XDG_", "LC_", "PROGRAM", // ProgramData, ProgramFiles, …
	} {
		if strings.HasPrefix(name, prefix) {
			return name != "CODEXAUTH_BROKER_KEY" // a store that a broker has is not rotated from here
		}
	}
	switch name {
	case "HOME", "PATH", "USER", "LOGNAME", "TMPDIR", "TZ", "LANG",
		"DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", // a keyring's daemon asks on the screen
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"RES_OPTIONS", "LOCALDOMAIN", "HOSTALIASES", "LD_LIBRARY_PATH",
		"GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK", "GORACE", "GOCOVERDIR",
		// Windows
		"SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "TEMP", "TMP", "APPDATA", "LOCALAPPDATA",
		"USERPROFILE", "USERNAME", "USERDOMAIN", "HOMEDRIVE", "HOMEPATH", "ALLUSERSPROFILE", "PUBLIC", "COMPUTERNAME", "OS":
		return true
	}
	return false
}

// WithoutSecrets leaves out what opens our store and what it keeps, for a command
// that is to work with the login and not to hold it. libpq's variables and those of
// etcd's own command line go only with a store of that kind (postgres, etcd, as its
// address begins): otherwise they are the person's own, for databases of theirs.
func WithoutSecrets(env []string, kinds ...string) []string {
	return keep(env, func(name string) bool {
		switch name {
		case "CODEXAUTH_ETCD_PASSWORD", "CODEXAUTH_BROKER_KEY", "AETHER_CREDENTIALS_PASSWORD":
			return false
		case "PGPASSWORD", "PGPASSFILE", "PGSSLPASSWORD", "PGSSLKEY", "PGSERVICE", "PGSERVICEFILE":
			return !slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(kind, "postgres") })
		case "ETCDCTL_USER", "ETCDCTL_PASSWORD", "ETCDCTL_KEY":
			return !slices.ContainsFunc(kinds, func(kind string) bool { return strings.HasPrefix(kind, "etcd") })
		}
		return true
	})
}

// OfBrowser is for a program that has no business with any store.
func OfBrowser(env []string) []string {
	return keep(WithoutSecrets(env, "postgres", "etcd"), func(name string) bool {
		return !strings.HasPrefix(name, "CODEXAUTH_") && !strings.HasPrefix(name, "ETCDCTL_")
	})
}

// Is reports whether a pair of the environment is of this variable.
func Is(pair, name string) bool {
	given, _, _ := strings.Cut(pair, "=")
	return strings.EqualFold(given, name)
}

// keep returns the pairs whose names, in upper case, are wanted.
func keep(env []string, wanted func(name string) bool) []string {
	kept := make([]string, 0, len(env)) // not nil, which means everything to os/exec
	for _, pair := range env {
		name, _, _ := strings.Cut(pair, "=")
		if wanted(strings.ToUpper(name)) {
			kept = append(kept, pair)
		}
	}
	return kept
}
