// Package browser opens a URL in the person's web browser.
package browser

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"codexauth/internal/environ"
)

// patience is how long a launcher may take to fail. One that still runs then is
// the browser itself.
const patience = time.Second

var (
	// ErrNone: no program that opens a URL was found.
	ErrNone = errors.New("no browser was found")
	// ErrURL: not a URL that is handed to a browser.
	ErrURL = errors.New("not an http or https URL")
)

// Open hands an http or https URL to the programs in $BROWSER, if that is set
// (separated as $PATH is, %s stands for the URL), or else to the system's
// opener. It returns nil as soon as one has succeeded or has run for a second.
// The program has no terminal of ours and outlives us; until it ends, one
// goroutine waits for it, so that it leaves no zombie process behind.
func Open(url string) error {
	if err := check(url); err != nil {
		return err
	}
	return openWith(commands(runtime.GOOS, os.Getenv, url))
}

// Available guesses whether Open makes sense: where $BROWSER names one, else not over
// SSH, whose browser would be on the wrong machine, and not without a display.
func Available() bool { return available(runtime.GOOS, os.Getenv) }

func available(goos string, env func(string) string) bool {
	switch {
	case env("BROWSER") != "":
		return true
	case env("SSH_CONNECTION") != "":
		return false
	case goos == "windows" || goos == "darwin":
		return true
	}
	return env("DISPLAY") != "" || env("WAYLAND_DISPLAY") != "" || isWSL(env)
}

// check refuses what a launcher might take for something else than one web
// address: other schemes, and characters outside of RFC 3986.
func check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return ErrURL
	}
	const others = "-._~:/?#[]@!$&'()*+,;=%"
	if strings.ContainsFunc(raw, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(others, r)
	}) {
		return ErrURL
	}
	return nil
}

// commands returns what to try, in order. The URL is an argument, never part of
// a shell's text.
func commands(goos string, env func(string) string, url string) [][]string {
	if list := env("BROWSER"); list != "" {
		return chosen(list, listSeparator(goos), url)
	}
	switch goos {
	case "darwin":
		return [][]string{{"/usr/bin/open", url}}
	case "windows":
		rundll := "rundll32.exe"
		if root := env("SystemRoot"); root != "" {
			rundll = root + `\System32\` + rundll
		}
		return [][]string{{rundll, "url.dll,FileProtocolHandler", url}}
	}
	system := [][]string{{"xdg-open", url}, {"x-www-browser", url}}
	if isWSL(env) {
		system = slices.Insert(system, 0, []string{"wslview", url})
	}
	return system
}

func listSeparator(goos string) string {
	if goos == "windows" {
		return ";"
	}
	return ":"
}

// chosen reads $BROWSER. An entry is a command with arguments, unless it is, as a
// whole, a program's path that has a space in it.
func chosen(list, separator, url string) [][]string {
	var all [][]string
	for entry := range strings.SplitSeq(list, separator) {
		args := strings.Fields(entry)
		if _, err := exec.LookPath(entry); err == nil && len(args) > 1 {
			args = []string{entry}
		}
		if len(args) == 0 {
			continue
		}
		if !strings.Contains(entry, "%s") {
			args = append(args, "%s")
		}
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "%s", url)
		}
		all = append(all, args)
	}
	return all
}

// isWSL: Linux under Windows, whose browser is the one outside.
func isWSL(env func(string) string) bool {
	return env("WSL_DISTRO_NAME") != "" || env("WSL_INTEROP") != ""
}

func openWith(commands [][]string) error {
	var failures []error
	for _, args := range commands {
		err := start(args)
		if err == nil {
			return nil
		}
		if !errors.Is(err, exec.ErrNotFound) {
			failures = append(failures, err)
		}
	}
	if failures == nil {
		return ErrNone
	}
	return errors.Join(failures...)
}

// start runs a launcher until it succeeds, fails, or has run out our patience.
// Its errors name the program alone.
func start(args []string) error {
	name := filepath.Base(args[0])
	cmd := exec.Command(args[0], args[1:]...) // no input and no output: /dev/null
	cmd.Env = environ.OfBrowser(os.Environ())
	detach(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-ended:
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	case <-timer.C:
	}
	return nil
}
