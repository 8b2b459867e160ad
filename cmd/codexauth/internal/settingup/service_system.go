package settingup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode/utf16"

	"codexauth/internal/cleantext"
	"codexauth/internal/hint"
	"codexauth/internal/service"
)

// A systemService is what runs services for one user.
type systemService interface {
	files(service.Spec) ([]service.File, error)
	// ready says whether it can be asked at all, before anything is written.
	ready(context.Context) error
	start(ctx context.Context, files []service.File, again bool) error
	stop(context.Context, []service.File) error
	gone(context.Context) error // after its files were removed
	state(context.Context) string
	note() string
}

func serviceManager() (systemService, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, err
	}
	switch runtime.GOOS {
	case "darwin":
		return launchd{filepath.Join(home, "Library", "LaunchAgents")}, nil
	case "windows":
		dir, err := os.UserConfigDir()
		return scheduler{filepath.Join(dir, "codexauth")}, err
	}
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(home, ".config")
	}
	return systemd{filepath.Join(dir, "systemd", "user")}, nil
}

// tellSystem runs a program of the system's, and says what it said if it fails.
func tellSystem(ctx context.Context, name string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(string(out))
	return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, cleantext.OneLine(said))
}

// answer is the first word that a program of the system's says, whatever its exit code.
func answer(ctx context.Context, name string, args ...string) string {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, _ := exec.CommandContext(ctx, name, args...).Output()
	if fields := strings.Fields(string(out)); len(fields) > 0 {
		return cleantext.OneLine(fields[0])
	}
	return "unknown"
}

const byHand = "`codexauth setup service --print` shows the files, to be put in place by hand; or run `codexauth serve` as your system runs programs"

type systemd struct{ dir string }

func (s systemd) files(spec service.Spec) ([]service.File, error) { return spec.Units(s.dir), nil }

func (s systemd) ready(ctx context.Context) error {
	if _, err := exec.LookPath("systemctl"); err != nil {
		return hint.With(errors.New("there is no systemd on this machine that could run a service; nothing was changed"), byHand)
	}
	if err := tellSystem(ctx, "systemctl", "--user", "show-environment"); err != nil {
		return hint.With(fmt.Errorf("systemd can't be asked for this user; nothing was changed: %w", err), "run this in a session of yours, not by su or sudo; or see `codexauth setup service --print`")
	}
	return nil
}

func (s systemd) start(ctx context.Context, _ []service.File, again bool) error {
	steps := [][]string{{"daemon-reload"}, {"enable", "--now", service.SocketUnit}}
	if again { // a socket takes new addresses only when nobody listens for it
		steps = [][]string{{"stop", service.SocketUnit, service.ServiceUnit}, {"daemon-reload"}, {"enable", "--now", service.SocketUnit}}
	}
	return s.run(ctx, steps)
}

func (s systemd) stop(ctx context.Context, _ []service.File) error {
	return s.run(ctx, [][]string{{"disable", "--now", service.SocketUnit, service.ServiceUnit}})
}

func (s systemd) gone(ctx context.Context) error { return s.run(ctx, [][]string{{"daemon-reload"}}) }

func (s systemd) run(ctx context.Context, steps [][]string) error {
	for _, args := range steps {
		if err := tellSystem(ctx, "systemctl", append([]string{"--user"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

func (s systemd) state(ctx context.Context) string {
	return answer(ctx, "systemctl", "--user", "is-active", service.SocketUnit)
}

func (s systemd) note() string {
	return "It runs while you are signed in to this machine; `loginctl enable-linger` has it run without you."
}

type launchd struct{ dir string }

// files: launchd hands its sockets over in a way of its own, so the broker opens them.
func (l launchd) files(spec service.Spec) ([]service.File, error) {
	spec.Args = append(spec.Args, "--socket", spec.Socket)
	if spec.Listen != "" {
		spec.Args = append(spec.Args, "--listen", spec.Listen)
	}
	return []service.File{spec.PropertyList(l.dir)}, nil
}

func (l launchd) domain() string { return fmt.Sprintf("gui/%d", os.Getuid()) }

func (l launchd) ready(ctx context.Context) error {
	if err := tellSystem(ctx, "launchctl", "print", l.domain()); err != nil {
		return hint.With(errors.New("launchd has no session of this user's; nothing was changed"), "run this at the desktop; or see `codexauth setup service --print`")
	}
	return nil
}

func (l launchd) start(ctx context.Context, files []service.File, again bool) error {
	if again {
		_ = l.stop(ctx, files) // an agent that does not run can't be stopped
	}
	return tellSystem(ctx, "launchctl", "bootstrap", l.domain(), files[0].Path)
}

func (l launchd) stop(ctx context.Context, _ []service.File) error {
	return tellSystem(ctx, "launchctl", "bootout", l.domain()+"/"+service.Agent)
}

func (l launchd) gone(context.Context) error { return nil }

func (l launchd) state(ctx context.Context) string {
	if tellSystem(ctx, "launchctl", "print", l.domain()+"/"+service.Agent) == nil {
		return "active"
	}
	return "inactive"
}

func (l launchd) note() string { return "" }

type scheduler struct{ dir string }

func (s scheduler) files(spec service.Spec) ([]service.File, error) {
	if spec.Program != "" && spec.Listen == "" {
		return nil, hint.Usage("on Windows the broker serves TCP alone, and nothing listens there that was not asked for", "add --listen "+usualListen)
	}
	spec.Args = append(spec.Args, "--listen", spec.Listen)
	return []service.File{spec.Task(s.dir)}, nil
}

func (s scheduler) ready(context.Context) error {
	if _, err := exec.LookPath("schtasks"); err != nil {
		return hint.With(errors.New("there is no scheduler that could run a service; nothing was changed"), byHand)
	}
	return nil
}

func (s scheduler) start(ctx context.Context, files []service.File, again bool) error {
	if again {
		_ = tellSystem(ctx, "schtasks", "/End", "/TN", service.Label) // it may not run
	}
	if err := tellSystem(ctx, "schtasks", "/Create", "/TN", service.Label, "/XML", files[0].Path, "/F"); err != nil {
		return err
	}
	return tellSystem(ctx, "schtasks", "/Run", "/TN", service.Label)
}

func (s scheduler) stop(ctx context.Context, _ []service.File) error {
	_ = tellSystem(ctx, "schtasks", "/End", "/TN", service.Label) // it may not run
	return tellSystem(ctx, "schtasks", "/Delete", "/TN", service.Label, "/F")
}

func (s scheduler) gone(context.Context) error { return nil }

func (s scheduler) state(ctx context.Context) string {
	if tellSystem(ctx, "schtasks", "/Query", "/TN", service.Label) == nil {
		return "active"
	}
	return "inactive"
}

func (s scheduler) note() string { return "" }

// readableText is a file's text as a terminal shows it.
func readableText(text []byte) string {
	if len(text) < 2 || text[0] != 0xff || text[1] != 0xfe {
		return string(text)
	}
	var units []uint16
	for i := 2; i+1 < len(text); i += 2 {
		units = append(units, uint16(text[i])|uint16(text[i+1])<<8)
	}
	return strings.ReplaceAll(string(utf16.Decode(units)), "\r\n", "\n")
}
