//go:build linux || freebsd || netbsd || openbsd || dragonfly

package keyring

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"
)

// Names of the Secret Service API (freedesktop.org, draft 0.2) and of D-Bus.
const (
	secretsName    = "org.freedesktop.secrets"
	secretsPath    = "/org/freedesktop/secrets"
	loginPath      = secretsPath + "/collection/login"
	serviceIface   = "org.freedesktop.Secret.Service"
	promptIface    = "org.freedesktop.Secret.Prompt"
	busIface       = "org.freedesktop.DBus"
	addressVar     = "DBUS_SESSION_BUS_ADDRESS"
	noObject       = dbus.ObjectPath("/")
	dismissTimeout = 500 * time.Millisecond
)

// secrets is a Secret Service, on a connection of its own.
type secrets struct {
	conn *dbus.Conn
	o    Options
}

// ready returns nil if the Secret Service is there, answers and is unlocked. The
// library would wait for ever for each of these, and launch a bus of its own
// where there is none.
func (o Options) ready(ctx context.Context) error {
	address, err := busAddress()
	if err != nil {
		return err
	}
	// The connection outlives ctx by the time that it takes to take a question back.
	living, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp() // also on a bus that is still being called
	soon, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	conn, err := bounded(soon, func() (*dbus.Conn, error) { return dbus.Connect(address, dbus.WithContext(living)) })
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return refuse(ErrTimeout, "the session's bus did not answer in time")
	case errors.Is(err, context.Canceled):
		return err
	case err != nil:
		return refuse(ErrUnavailable, "the session's bus (%s) can't be reached: %v", addressVar, err)
	}
	s := secrets{conn, o}
	if err := s.present(soon); err != nil {
		return err
	}
	if err := introduce(soon, conn); err != nil {
		return err
	}
	collection, err := s.collection(soon)
	if err != nil {
		return err
	}
	if err := s.unlocked(ctx, soon, collection); err != nil {
		return err
	}
	return o.introduceLibrary(ctx)
}

// introduce makes a connection's first request one that can do no harm. GNOME
// Keyring (seen in 42.1, and reported up to 50) makes its record of a caller when
// the first message comes, but may serve that message before; for one that needs
// the record, as OpenSession does, the daemon aborts and comes back locked. Who
// was answered has a record. The alias is nobody's.
func introduce(ctx context.Context, conn *dbus.Conn) error {
	err := conn.Object(secretsName, secretsPath).CallWithContext(ctx, serviceIface+".ReadAlias", dbus.FlagNoAutoStart, "codexauth").Err
	var refusal dbus.Error
	if errors.As(err, &refusal) && kindOf(err) != ErrTimeout {
		return nil // an answer too
	}
	return err
}

// introduceLibrary does so for the connection of the library, which may begin with
// OpenSession. It is done each time, since the keyring may have been restarted.
func (o Options) introduceLibrary(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.timeout())
	defer cancel()
	conn, err := bounded(ctx, dbus.SessionBus)
	if err != nil {
		return err
	}
	return introduce(ctx, conn)
}

// busAddress returns the address of the session's bus, and makes sure that the
// library finds the same: left to itself it may run dbus-launch.
func busAddress() (string, error) {
	address := os.Getenv(addressVar)
	if address != "" && !strings.HasPrefix(address, "autolaunch:") {
		return address, nil
	}
	socket := fmt.Sprintf("/run/user/%d/bus", os.Geteuid())
	info, err := os.Stat(socket)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return "", refuse(ErrUnavailable, "this session has no bus (%s is not set, and there is no %s)", addressVar, socket)
	}
	address = "unix:path=" + socket
	return address, os.Setenv(addressVar, address)
}

// hasDesktop reports whether a window could be shown to a person here.
func hasDesktop() bool { return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != "" }

func (s secrets) call(ctx context.Context, path dbus.ObjectPath, method string, args ...any) *dbus.Call {
	return s.conn.Object(secretsName, path).CallWithContext(ctx, method, dbus.FlagNoAutoStart, args...)
}

// present makes sure that somebody keeps secrets on this bus. Only at a desktop
// is that somebody started: elsewhere it would be left behind.
func (s secrets) present(ctx context.Context) error {
	var owned bool
	err := s.conn.BusObject().CallWithContext(ctx, busIface+".NameHasOwner", 0, secretsName).Store(&owned)
	if err != nil || owned {
		return err
	}
	const nobody = "no program keeps secrets on the session's bus (no " + secretsName + ")"
	if s.o.passive || !hasDesktop() {
		return refuse(ErrUnavailable, nobody)
	}
	err = s.conn.BusObject().CallWithContext(ctx, busIface+".StartServiceByName", 0, secretsName, uint32(0)).Err
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return refuse(ErrUnavailable, nobody+": %v", err)
	}
	return err
}

// collection returns where the library will look: the one named login, or else
// the default one.
func (s secrets) collection(ctx context.Context) (dbus.ObjectPath, error) {
	var all dbus.Variant
	err := s.call(ctx, secretsPath, busIface+".Properties.Get", serviceIface, "Collections").Store(&all)
	if err != nil {
		return "", err
	}
	if paths, ok := all.Value().([]dbus.ObjectPath); ok && slices.Contains(paths, loginPath) {
		return loginPath, nil
	}
	path := noObject
	if err := s.call(ctx, secretsPath, serviceIface+".ReadAlias", "default").Store(&path); err != nil {
		return "", err
	}
	if path == noObject {
		return "", refuse(ErrUnavailable, "no keyring is set up; make one in the desktop's password manager")
	}
	return path, nil
}

// unlocked makes sure that the collection is open, which may take a person.
func (s secrets) unlocked(ctx, soon context.Context, collection dbus.ObjectPath) error {
	var done []dbus.ObjectPath
	prompt := noObject
	err := s.call(soon, secretsPath, serviceIface+".Unlock", []dbus.ObjectPath{collection}).Store(&done, &prompt)
	switch {
	case err != nil:
		return err
	case prompt == noObject && slices.Contains(done, collection):
		return nil
	case prompt == noObject:
		return refuse(ErrLocked, "it did not open")
	case s.o.Prompt < 0:
		s.dismiss(prompt)
		return refuse(ErrLocked, "and prompting for its password was not allowed")
	case !hasDesktop():
		s.dismiss(prompt)
		return refuse(ErrLocked, "there is no desktop here to ask for its password")
	}
	return s.prompted(ctx, prompt)
}

// prompted lets the desktop ask for the password and waits for the answer.
func (s secrets) prompted(ctx context.Context, prompt dbus.ObjectPath) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.prompt())
	defer cancel()
	err := s.conn.AddMatchSignalContext(ctx, dbus.WithMatchObjectPath(prompt), dbus.WithMatchInterface(promptIface))
	if err != nil {
		return err
	}
	signals := make(chan *dbus.Signal, 8) // more than can come: the library of the bus drops none
	s.conn.Signal(signals)
	if s.o.Prompting != nil {
		s.o.Prompting()
	}
	err = s.call(ctx, prompt, promptIface+".Prompt", "").Err
	if err != nil && ctx.Err() == nil {
		return err
	}
	for { // whoever gives up before the service has answered may have a window on the screen, too
		select {
		case <-ctx.Done():
			s.dismiss(prompt)
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return refuse(ErrLocked, "its password was asked for and not given in %v", s.o.prompt())
		case signal, ok := <-signals:
			switch {
			case !ok:
				return refuse(ErrTimeout, "the session's bus closed the connection")
			case signal.Path != prompt || signal.Name != promptIface+".Completed" || len(signal.Body) < 1:
			case signal.Body[0] == false:
				return nil
			default:
				return refuse(ErrLocked, "the question for its password was declined or could not be shown")
			}
		}
	}
}

// dismiss takes a question back that nobody waits for any more.
func (s secrets) dismiss(prompt dbus.ObjectPath) {
	ctx, cancel := context.WithTimeout(context.Background(), dismissTimeout)
	defer cancel()
	s.call(ctx, prompt, promptIface+".Dismiss") // what fails is gone anyway
}

// kindOf tells what an error of the bus or of the Secret Service means.
func kindOf(err error) error {
	var e dbus.Error
	if !errors.As(err, &e) {
		if strings.HasPrefix(err.Error(), "failed to unlock correct collection") { // the library's
			return ErrLocked
		}
		return nil
	}
	name, _ := strings.CutPrefix(e.Name, busIface+".Error.")
	switch name {
	case "ServiceUnknown", "NameHasNoOwner", "UnknownMethod", "UnknownInterface", "UnknownObject", "Disconnected":
		return ErrUnavailable
	case "NoReply", "Timeout", "TimedOut":
		return ErrTimeout
	case "AccessDenied", "AuthFailed":
		return ErrDenied
	case "org.freedesktop.Secret.Error.IsLocked":
		return ErrLocked
	case "org.freedesktop.Secret.Error.NoSuchObject":
		return ErrMissing
	}
	if strings.HasPrefix(name, "Spawn.") {
		return ErrUnavailable
	}
	return nil
}
