package settingup

import (
	"context"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
	"codexauth/cmd/codexauth/internal/serving"
	"codexauth/cmd/codexauth/internal/ui"
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
	keys                serving.KeyPlace
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
		Args: run.NoArgs,
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
	f.StringVar(&o.keys.File, "key-file", "", "`FILE` of the keys' hashes (default serve-keys.json next to the store)")
	f.StringVar(&o.keys.In, "keys", serving.KeysInFile, "where keys are kept: `PLACE` is file, or store")
	run.CompleteWords(cmd, "keys", serving.KeysInFile, serving.KeysInStore)
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
	cut, err := isUnfinished(files)
	if err != nil {
		return err
	}
	if o.status || !changed && !cut {
		return a.tellService(cmd.Context(), manager, files, spec, serviceState{installed: before.all(), current: !changed, cutOff: cut})
	}
	a.HeedSignals()
	if err := installService(cmd.Context(), manager, files, before); err != nil {
		return err
	}
	return a.tellService(cmd.Context(), manager, files, spec, serviceState{installed: true, current: true, changed: true})
}

// serviceSpec is the broker for the login at hand, whatever the environment that it
// will run in.
func (a *app) serviceSpec(cmd *cobra.Command, o serviceOptions, tool func() (string, error)) (spec service.Spec, err error) {
	spec.Program, err = tool()
	if err != nil && o.status { // it can be asked by a program that can't be set up
		spec.Program, err = os.Executable()
	}
	if err != nil {
		return spec, err
	}
	if spec.Listen, err = loopbackOnly(o.listen); err != nil {
		return spec, err
	}
	p, err := a.StorePlace(cmd)
	if err != nil {
		return spec, err
	}
	if id := a.Said.Get(config.IdentityFile).Value; id == "prompt" || strings.HasPrefix(id, "fd:") {
		return spec, hint.Usage("a service can't prompt for the key of a sealed store", "name a key file with --identity-file")
	}
	if spec.Args, err = a.serviceArgs(p, o); err != nil {
		return spec, err
	}
	spec.Env, spec.User = serviceEnv(), os.Getenv("USERDOMAIN")+`\`+os.Getenv("USERNAME")
	if runtime.GOOS != "windows" {
		if p.LockDir == "" {
			return spec, serving.NoRoom("--store")
		}
		spec.Socket = filepath.Join(p.LockDir, "serve.sock")
		if strings.ContainsFunc(spec.Socket, unicode.IsControl) { // a unit has no way to write it
			return spec, hint.Usage("the directory of the socket has a control character in its name, which would make a line of its own", "name another place for the store with --store, or with CODEXAUTH_HOME")
		}
	}
	home, err := os.UserHomeDir()
	spec.Log = filepath.Join(home, "Library", "Logs", "codexauth.log")
	return spec, err
}

// serviceArgs are those of a `codexauth serve` for this very login.
func (a *app) serviceArgs(p *place.Place, o serviceOptions) ([]string, error) {
	if _, err := o.keys.Of(p); err != nil {
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
	if o.keys.In == serving.KeysInStore {
		args = append(args, "--keys", serving.KeysInStore)
	}
	if o.keys.File != "" {
		path, err := filepath.Abs(o.keys.File)
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
	if n, portErr := strconv.ParseUint(port, 10, 16); err != nil || ipErr != nil || ip.Zone() != "" || portErr != nil || n == 0 {
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

type serviceState struct {
	installed, current, changed bool
	cutOff                      bool // whoever changed it last did not come to the end
}

func (a *app) tellService(ctx context.Context, m systemService, files []service.File, spec service.Spec, s serviceState) error {
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
	}
	state := "not installed"
	if s.installed {
		state = m.state(ctx)
	}
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Installed bool     `json:"installed"`
			Current   bool     `json:"current"`
			Changed   bool     `json:"changed"`
			State     string   `json:"state"`
			Files     []string `json:"files"`
			Socket    *string  `json:"socket"`
			URL       *string  `json:"url"`
		}{s.installed, s.installed && s.current && !s.cutOff, s.changed, state, paths, ui.Known(spec.Socket), ui.Known(serviceURL(spec))})
	}
	switch {
	case !s.installed:
		a.Say("The service is not set up; %s does that.", a.Command("setup service"))
		return nil
	case s.cutOff:
		a.Say("The last change of the service was cut off (%s); %s goes on with it.", state, a.Command("setup service"))
		return nil
	case !s.current:
		a.Say("The service is set up with other settings than this command has (%s); %s brings it up to date.", state, a.Command("setup service"))
		return nil
	case !s.changed:
		a.Say("The service is set up already (%s); nothing was changed.", state)
	default:
		a.Say("The service is set up: see %s. `codexauth setup service --undo` takes it back.", cleantext.OneLine(strings.Join(paths, " and ")))
	}
	if spec.Socket != "" {
		a.Say("It serves the socket %s.", cleantext.OneLine(spec.Socket))
	}
	if at := serviceURL(spec); at != "" {
		a.Say("It serves %s (OPENAI_BASE_URL=%[1]s/v1); %s makes a key.", at, a.Command("serve key add NAME"))
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
	cut, err := isUnfinished(files)
	if err != nil {
		return err
	}
	if before.none() && !cut {
		if a.Flags.JSON {
			return a.PrintJSON(map[string]bool{"changed": false})
		}
		a.Say("The service is not set up; nothing was changed.")
		return nil
	}
	a.HeedSignals()
	if err := removeService(ctx, manager, files); err != nil {
		return err
	}
	if a.Flags.JSON {
		return a.PrintJSON(map[string]bool{"changed": true})
	}
	a.Say("Stopped the service and removed its files. The login and the keys are as they were.")
	return nil
}
