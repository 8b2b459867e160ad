package service

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// The units of systemd.
const (
	SocketUnit  = Label + ".socket"
	ServiceUnit = Label + ".service"
)

// Units are a socket and a service for systemd's manager of one user, which reads dir.
// The service is started by the first who connects.
func (s Spec) Units(dir string) []File {
	return []File{
		{filepath.Join(dir, SocketUnit), []byte(s.socketUnit())},
		{filepath.Join(dir, ServiceUnit), []byte(s.serviceUnit())},
	}
}

func (s Spec) socketUnit() string {
	text := "# " + Mark + `
[Unit]
Description=Socket of the codexauth broker

[Socket]
ListenStream=` + literal(s.Socket) + "\n"
	if s.Listen != "" {
		text += "ListenStream=" + literal(s.Listen) + "\n"
	}
	return text + `SocketMode=0600
DirectoryMode=0700

[Install]
WantedBy=sockets.target
`
}

func (s Spec) serviceUnit() string {
	text := "# " + Mark + `
[Unit]
Description=codexauth broker: programs use a login without holding it
Requires=` + SocketUnit + `
After=` + SocketUnit + `

[Service]
Type=notify
NotifyAccess=main
ExecStart=` + quoted(s.Program)
	for _, arg := range s.Args {
		text += " " + quoted(arg)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Env)) {
		text += "\nEnvironment=" + environment(name+"="+s.Env[name])
	}
	return text + `
# A refresh runs in a process of its own, which a stop must not cut off: the server's
# answer is the only copy of the next token.
KillMode=process
TimeoutStopSec=60
Restart=on-failure
RestartSec=2
UMask=0077
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
SystemCallArchitectures=native

[Install]
Also=` + SocketUnit + "\n"
}

// literal keeps systemd from reading specifiers into a text.
func literal(text string) string { return strings.ReplaceAll(text, "%", "%%") }

// quoted is one word of a command line (systemd.service(5)), which a variable's name
// in it does not change.
func quoted(word string) string { return strings.ReplaceAll(environment(word), "$", "$$") }

// environment is one assignment (systemd.exec(5)), in which $ means nothing.
func environment(pair string) string {
	pair = strings.ReplaceAll(literal(pair), `\`, `\\`)
	pair = strings.ReplaceAll(pair, `"`, `\"`)
	return `"` + strings.ReplaceAll(pair, "\n", `\n`) + `"`
}
