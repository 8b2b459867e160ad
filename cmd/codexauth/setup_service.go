package main

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/ui"
	"codexauth/internal/atomicfile"
	"codexauth/internal/cleantext"
	"codexauth/internal/config"
	"codexauth/internal/hint"
	"codexauth/internal/place"
	"codexauth/internal/service"
)

// usualListen is where a broker of one user's listens for tools that can't use a
// socket, if it is asked to.
const usualListen = "127.0.0.1:8461"

type serviceOptions struct {
	print, undo, status bool
	listen              string
	all                 bool
	keys                serveOptions // keyFile and keysIn
}

func (a *app) setupServiceCommand(tool func() (string, error)) *cobra.Command {
	var o serviceOptions
	cmd := &cobra.Command{
		Use:   "service",
		Short: "Have the system run `codexauth serve` for you",
		Long: `Have the system run "codexauth serve" for you, in the background: units of systemd
for your user, an agent of launchd on macOS, a task at logon on Windows.

It serves a Unix socket of yours alone; under systemd the first who connects starts
it. It listens on TCP only with --listen, on this machine, for clients with keys of
"codexauth serve key add". It has the settings that this command has: a profile, a
store, the file of a key, and never a secret. Run it again when they change.`,
		Example: `  codexauth setup service
  codexauth setup service --listen ` + usualListen + `
  codexauth setup service --print     show the files and change nothing
  codexauth setup service --status
  codexauth setup service --undo`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.print && o.undo, o.print && o.status, o.undo && o.status:
				return hint.Usage("--print, --undo and --status contradict each other", "give one of them")
			case o.undo:
				return a.undoService(cmd.Context())
			}
			return a.setupService(cmd, o, tool)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.print, "print", false, "print the files and change nothing")
	f.BoolVar(&o.undo, "undo", false, "stop it and remove the files")
	f.BoolVar(&o.status, "status", false, "tell whether it is set up, and change nothing")
	f.StringVar(&o.listen, "listen", "", "`HOST:PORT` on this machine for clients with keys, such as "+usualListen)
	f.BoolVar(&o.all, "all-profiles", false, "serve every login that the store has when it starts")
	f.StringVar(&o.keys.keyFile, "key-file", "", "`FILE` of the keys' hashes (default serve-keys.json beside the store)")
	f.StringVar(&o.keys.keysIn, "keys", keysInFile, "where keys are kept: `PLACE` is file, or store")
	completeWords(cmd, "keys", keysInFile, keysInStore)
	return cmd
}

func (a *app) setupService(cmd *cobra.Command, o serviceOptions, tool func() (string, error)) error {
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	spec, err := a.serviceSpec(cmd, o, tool)
	if err != nil {
		return err
	}
	files, err := manager.files(spec)
	if err != nil {
		return err
	}
	if o.print {
		return a.printService(files)
	}
	before, changed, err := standing(files)
	if err != nil {
		return err
	}
	installed := before.all()
	if o.status || !changed {
		return a.tellService(cmd.Context(), manager, files, spec, serviceState{installed: installed, current: !changed})
	}
	if err := installService(cmd.Context(), manager, files, before); err != nil {
		return err
	}
	return a.tellService(cmd.Context(), manager, files, spec, serviceState{installed: true, current: true, changed: true})
}

// installService puts files in the place of those before, and has the system go by
// them. If it doesn't, they are as they were.
func installService(ctx context.Context, m systemService, files []service.File, was before) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	if err := writeAll(files); err != nil {
		return errors.Join(err, was.restore())
	}
	if err := m.start(ctx, files, was.all()); err != nil {
		return errors.Join(err, was.restore())
	}
	return nil
}

// serviceSpec is the broker for the login at hand, whatever the environment that it
// will run in.
func (a *app) serviceSpec(cmd *cobra.Command, o serviceOptions, tool func() (string, error)) (spec service.Spec, err error) {
	if spec.Program, err = tool(); err != nil {
		return spec, err
	}
	if spec.Listen, err = loopbackOnly(o.listen); err != nil {
		return spec, err
	}
	p, err := a.storePlace(cmd)
	if err != nil {
		return spec, err
	}
	if id := a.said.Get(config.IdentityFile).Value; id == "prompt" || strings.HasPrefix(id, "fd:") {
		return spec, hint.Usage("a service has nobody to ask for the key of a sealed store", "name a key file with --identity-file")
	}
	if spec.Args, err = a.serviceArgs(p, o); err != nil {
		return spec, err
	}
	spec.Env, spec.User = serviceEnv(), os.Getenv("USERDOMAIN")+`\`+os.Getenv("USERNAME")
	if runtime.GOOS != "windows" {
		if p.LockDir == "" {
			return spec, noRoom("--store")
		}
		spec.Socket = filepath.Join(p.LockDir, "serve.sock")
	}
	home, err := os.UserHomeDir()
	spec.Log = filepath.Join(home, "Library", "Logs", "codexauth.log")
	return spec, err
}

// serviceArgs are those of a `codexauth serve` for this very login.
func (a *app) serviceArgs(p *place.Place, o serviceOptions) ([]string, error) {
	if _, err := o.keys.keys(p); err != nil {
		return nil, err
	}
	args, err := a.tokenArgs(p)
	if err != nil {
		return nil, err
	}
	for i := len(args) - 1; i >= 0; i-- { // what says which login it is stands before the command
		if args[i] == "token" {
			args = args[:i]
			break
		}
	}
	if o.all { // serve takes its own --profile
		args = withoutFlag(args, "--profile")
	}
	args = append(args, "serve")
	if o.all {
		args = append(args, "--all-profiles")
	}
	if o.keys.keysIn == keysInStore {
		args = append(args, "--keys", keysInStore)
	}
	if o.keys.keyFile != "" {
		path, err := filepath.Abs(o.keys.keyFile)
		if err != nil {
			return nil, err
		}
		args = append(args, "--key-file", path)
	}
	return args, nil
}

func withoutFlag(args []string, name string) []string {
	if i := slices.Index(args, name); i >= 0 {
		return slices.Delete(args, i, i+2)
	}
	return args
}

// serviceEnv are the variables that say where things are. None holds a secret.
func serviceEnv() map[string]string {
	env := map[string]string{}
	for _, name := range []string{config.Variable, "CODEXAUTH_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"} {
		if value := os.Getenv(name); value != "" {
			env[name] = value
		}
	}
	return env
}

// loopbackOnly refuses an address beyond this machine.
func loopbackOnly(listen string) (string, error) {
	if listen == "" {
		return "", nil
	}
	host, port, err := net.SplitHostPort(listen)
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip, ipErr := netip.ParseAddr(host)
	if err != nil || ipErr != nil || port == "" || port == "0" {
		return "", hint.Usage("--listen is not an address and a port", "for example --listen "+usualListen)
	}
	if !ip.IsLoopback() {
		return "", hint.Usage("--listen names an address beyond this machine, which takes a certificate", "the guide to serve has units for that")
	}
	return net.JoinHostPort(host, port), nil
}

func (a *app) printService(files []service.File) error {
	var all strings.Builder
	for i, f := range files {
		if len(files) > 1 {
			if i > 0 {
				all.WriteByte('\n')
			}
			all.WriteString("# " + f.Path + "\n")
		}
		all.WriteString(readableText(f.Text))
	}
	return a.Print(all.String())
}

type serviceState struct{ installed, current, changed bool }

func (a *app) tellService(ctx context.Context, m systemService, files []service.File, spec service.Spec, s serviceState) error {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	state := "not installed"
	if s.installed {
		state = m.state(ctx)
	}
	if a.flags.json {
		return a.PrintJSON(struct {
			Installed bool     `json:"installed"`
			Current   bool     `json:"current"`
			Changed   bool     `json:"changed"`
			State     string   `json:"state"`
			Files     []string `json:"files"`
			Socket    *string  `json:"socket"`
			URL       *string  `json:"url"`
		}{s.installed, s.installed && s.current, s.changed, state, paths, ui.Known(spec.Socket), ui.Known(serviceURL(spec))})
	}
	switch {
	case !s.installed:
		a.Say("The service is not set up; %s does that.", a.command("setup service"))
		return nil
	case !s.current:
		a.Say("The service is set up with other settings than this command has (%s); %s brings it up to date.", state, a.command("setup service"))
		return nil
	case !s.changed:
		a.Say("The service is set up as it is to be (%s); nothing was changed.", state)
	default:
		a.Say("The service is set up: see %s. `codexauth setup service --undo` takes it back.", cleantext.OneLine(strings.Join(paths, " and ")))
	}
	if spec.Socket != "" {
		a.Say("It serves the socket %s.", cleantext.OneLine(spec.Socket))
	}
	if at := serviceURL(spec); at != "" {
		a.Say("It serves %s (OPENAI_BASE_URL=%[1]s/v1); %s makes a key.", at, a.command("serve key add NAME"))
	}
	if note := m.note(); note != "" {
		a.Say("%s", note)
	}
	return nil
}

func serviceURL(spec service.Spec) string {
	if spec.Listen == "" {
		return ""
	}
	return "http://" + spec.Listen
}

func (a *app) undoService(ctx context.Context) error {
	manager, err := serviceManager()
	if err != nil {
		return err
	}
	files, err := manager.files(service.Spec{})
	if err != nil {
		return err
	}
	before, _, err := standing(files)
	if err != nil {
		return err
	}
	if before.none() {
		if a.flags.json {
			return a.PrintJSON(map[string]bool{"changed": false})
		}
		a.Say("The service is not set up; nothing was changed.")
		return nil
	}
	stopErr := manager.stop(ctx, files)
	for _, f := range files {
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(err, stopErr)
		}
	}
	if err := errors.Join(stopErr, manager.gone(ctx)); err != nil {
		return hint.With(err, "its files are removed; a broker that still runs ends when it is stopped, or at the end of your session")
	}
	if a.flags.json {
		return a.PrintJSON(map[string]bool{"changed": true})
	}
	a.Say("Stopped the service and removed its files. The login and the keys are as they were.")
	return nil
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
			return nil, false, hint.With(errors.New("there is a file that this command has not made: "+cleantext.OneLine(f.Path)), "move it away first, or keep it and leave this command out")
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
		if f.Text != nil {
			err = errors.Join(err, atomicfile.Write(f.Path, f.Text, atomicfile.Options{}))
		} else if gone := os.Remove(f.Path); !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
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
