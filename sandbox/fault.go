package sandbox

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Fault is something that goes wrong on demand. As text it is
//
//	name[=arg][*times][@grant]
//
// for example "status-after=502*1@refresh". [FaultNames] lists the names.
type Fault struct {
	// Name is one of FaultNames.
	Name string
	// Arg is its argument, where it takes one: a duration, a status, a code.
	Arg string
	// Times is how many requests it hits before it goes; 0 is every request.
	Times int
	// Grant limits a fault of the token endpoint to one grant type: "refresh",
	// "code" or "device". "" is all of them.
	Grant string
}

// A FaultDoc describes a fault for a help text.
type FaultDoc struct {
	Name     string `json:"name"`
	Arg      string `json:"arg,omitempty"` // what the argument is; "" if there is none
	Endpoint string `json:"endpoint"`      // token, backend, device or revoke
	Help     string `json:"help"`          // one line
}

// A stage is the point in a request's life at which a fault hits.
type stage int

const (
	beforeSpending stage = iota // token endpoint; the code or refresh token stays valid
	afterSpending               // token endpoint; the code or refresh token is gone
	atBackend
	atDeviceStart
	atDevicePoll
	atRevoke
)

func (s stage) endpoint() string {
	switch s {
	case atBackend:
		return "backend"
	case atDeviceStart, atDevicePoll:
		return "device"
	case atRevoke:
		return "revoke"
	default:
		return "token"
	}
}

// A faultKind is a row of the table. Of the faults with one group a request
// meets only the first, and the others wait for the next request; faults of
// different groups combine. "" is a group of its own.
type faultKind struct {
	name  string
	arg   string // a key of argument
	stage stage
	group string
	help  string
}

// faultKinds is the one table that parser, server, help and control endpoint share.
func faultKinds() []faultKind {
	return []faultKind{
		{"latency", "DURATION", beforeSpending, "", "wait before anything is done; a client that leaves meanwhile has spent nothing"},
		{"status", "STATUS", beforeSpending, "instead", "answer this status with a JSON error; nothing is spent"},
		{"rate-limit", "SECONDS", beforeSpending, "instead", "answer 429 with this Retry-After; nothing is spent"},
		{"refuse", "CODE", beforeSpending, "instead", "answer 401 with this error code (400 where it is one of RFC 6749); nothing is spent"},
		{"html", "", beforeSpending, "instead", "answer an HTML page with status 200; nothing is spent"},
		{"html-status", "STATUS", beforeSpending, "instead", "answer a gateway's HTML page with this status; nothing is spent"},
		{"redirect", "", beforeSpending, "instead", "answer 302 to another path of the sandbox; nothing is spent"},
		{"drop-before", "", beforeSpending, "instead", "close the connection without an answer; nothing is spent"},
		{"hang", "", beforeSpending, "instead", "never answer; nothing is spent"},
		{"latency-after", "DURATION", afterSpending, "", "spend the token, then wait before answering"},
		{"status-after", "STATUS", afterSpending, "ending", "spend the token, then answer a gateway's HTML page with this status"},
		{"drop-after", "", afterSpending, "ending", "spend the token, then close the connection without an answer"},
		{"truncate", "", afterSpending, "ending", "spend the token, then cut the answer off in the middle"},
		{"trailing", "", afterSpending, "ending", "spend the token, then put garbage after the JSON"},
		{"no-access-token", "", afterSpending, "", "answer without access_token; the refresh token is spent"},
		{"no-refresh-token", "", afterSpending, "", "answer without refresh_token; the one that was sent stays valid"},
		{"no-id-token", "", afterSpending, "", "answer without id_token"},
		{"opaque-access-token", "", afterSpending, "", "answer with an access token that is no JWT"},
		{"no-expires-in", "", afterSpending, "", "answer without expires_in"},
		{"no-exp", "", afterSpending, "", "answer with JWTs without exp"},
		{"no-account", "", afterSpending, "", "answer with JWTs without chatgpt_account_id"},
		{"other-account", "", afterSpending, "", "answer with JWTs of another account"},
		{"backend-latency", "DURATION", atBackend, "", "the backend waits before it looks at the request"},
		{"backend-status", "STATUS", atBackend, "instead", "the backend answers this status with a JSON error"},
		{"backend-unauthorized", "", atBackend, "instead", "the backend answers 401 whatever the token"},
		{"backend-drop", "", atBackend, "instead", "the backend cuts the stream after the first event"},
		{"backend-no-websocket", "", atBackend, "", "the backend answers a WebSocket's upgrade with 426"},
		{"backend-no-content-type", "", atBackend, "instead", "the backend streams without a Content-Type"},
		{"usage", "PERCENT", atBackend, "", "that percentage of the short rate limit is used, and a quarter of it of the long one; 100 means reached"},
		{"device-start", "STATUS", atDeviceStart, "instead", "asking for a device code answers this status (404: not enabled)"},
		{"device-no-interval", "", atDeviceStart, "", "a device code is answered without interval"},
		{"device-poll", "STATUS", atDevicePoll, "instead", "polling for a device code (the service's shape) answers this status"},
		{"revoke-latency", "DURATION", atRevoke, "", "revocation waits before anything is done"},
		{"revoke-status", "STATUS", atRevoke, "instead", "revocation answers this status; nothing is revoked"},
	}
}

// FaultNames describes every fault, in the order of a request's life.
func FaultNames() []FaultDoc {
	var docs []FaultDoc
	for _, k := range faultKinds() {
		docs = append(docs, FaultDoc{Name: k.name, Arg: k.arg, Endpoint: k.stage.endpoint(), Help: k.help})
	}
	return docs
}

// ParseFault reads a fault from text. The error names the part that is wrong.
func ParseFault(text string) (Fault, error) {
	armed, err := parseFault(text)
	return armed.Fault, err
}

// String is the text that ParseFault reads.
func (f Fault) String() string {
	text := f.Name
	if f.Arg != "" {
		text += "=" + f.Arg
	}
	if f.Times != 0 {
		text += "*" + strconv.Itoa(f.Times)
	}
	if f.Grant != "" {
		text += "@" + f.Grant
	}
	return text
}

// MarshalText is [Fault.String], so that a fault is a string in JSON.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText is [ParseFault].
func (f *Fault) UnmarshalText(text []byte) error {
	parsed, err := ParseFault(string(text))
	if err == nil {
		*f = parsed
	}
	return err
}

// An armedFault is a Fault that was checked, its argument read.
type armedFault struct {
	Fault
	kind     faultKind
	duration time.Duration // DURATION, SECONDS
	status   int           // STATUS
	percent  float64       // PERCENT
}

func parseFault(text string) (armedFault, error) {
	var f armedFault
	rest, grant, limited := strings.Cut(strings.TrimSpace(text), "@")
	rest, times, counted := strings.Cut(rest, "*")
	f.Name, f.Arg, _ = strings.Cut(rest, "=")
	f.Grant = grant
	kinds := faultKinds()
	i := slices.IndexFunc(kinds, func(k faultKind) bool { return k.name == f.Name })
	if i < 0 {
		return armedFault{}, fmt.Errorf("sandbox: unknown fault %q; the faults are: %s", f.Name, faultList(kinds))
	}
	f.kind = kinds[i]
	if counted {
		n, err := strconv.Atoi(times)
		if err != nil || n < 1 {
			return armedFault{}, fmt.Errorf("sandbox: fault %s: times %q is not a number above 0", f.Name, times)
		}
		f.Times = n
	}
	if limited && (f.kind.stage.endpoint() != "token" || !slices.Contains([]string{"refresh", "code", "device"}, grant)) {
		return armedFault{}, fmt.Errorf("sandbox: fault %s: grant %q; faults of the token endpoint take @refresh, @code or @device, others take none", f.Name, grant)
	}
	if err := f.readArg(); err != nil {
		return armedFault{}, err
	}
	return f, nil
}

func faultList(kinds []faultKind) string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}

func (f *armedFault) readArg() (err error) {
	want := ""
	switch f.kind.arg {
	case "DURATION":
		if f.duration, err = time.ParseDuration(f.Arg); err != nil || f.duration < 0 {
			want = "a duration such as 200ms or 3s"
		}
	case "SECONDS":
		seconds, err := strconv.Atoi(f.Arg)
		if err != nil || seconds < 0 || seconds > 86400 {
			want = "a number of seconds from 0 to 86400"
		}
		f.duration = time.Duration(seconds) * time.Second
	case "STATUS":
		if f.status, err = strconv.Atoi(f.Arg); err != nil || f.status < 400 || f.status > 599 {
			want = "a status from 400 to 599"
		}
	case "PERCENT":
		if f.percent, err = strconv.ParseFloat(f.Arg, 64); err != nil || !(f.percent >= 0 && f.percent <= 1000) {
			want = "a percentage from 0 to 1000"
		}
	case "CODE":
		if f.Arg == "" || strings.Trim(f.Arg, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			want = "an error code of a to z, 0 to 9 and _"
		}
	default:
		if f.Arg != "" {
			want = "no argument"
		}
	}
	if want != "" {
		return fmt.Errorf("sandbox: fault %s takes %s, not %q", f.Name, want, f.Arg)
	}
	return nil
}

// A faultSet is the faults in force, in the order given.
type faultSet []*armedFault

// hits are the faults that hit one request at one stage.
type hits []armedFault

// take picks the faults that hit a request of this grant at this stage and uses
// them up.
func (set *faultSet) take(at stage, grant string) hits {
	var taken hits
	groups := map[string]bool{}
	for _, f := range *set {
		group := cmp.Or(f.kind.group, f.Name)
		if f.kind.stage != at || groups[group] || f.Grant != "" && f.Grant != grant {
			continue
		}
		groups[group] = true
		taken = append(taken, *f)
		if f.Times > 0 {
			f.Times--
			if f.Times == 0 {
				f.Times = -1 // used up
			}
		}
	}
	*set = slices.DeleteFunc(*set, func(f *armedFault) bool { return f.Times < 0 })
	return taken
}

// has returns the fault of this name among the hits.
func (h hits) has(name string) bool {
	return slices.ContainsFunc(h, func(f armedFault) bool { return f.Name == name })
}

// group returns the fault of this group among the hits.
func (h hits) group(group string) (armedFault, bool) {
	i := slices.IndexFunc(h, func(f armedFault) bool { return cmp.Or(f.kind.group, f.Name) == group })
	if i < 0 {
		return armedFault{}, false
	}
	return h[i], true
}

// SetFaults replaces the faults in force. On an error it changes nothing.
func (s *Server) SetFaults(faults ...Fault) error {
	var set faultSet
	for _, f := range faults {
		armed, err := parseFault(f.String())
		if err != nil {
			return err
		}
		set = append(set, &armed)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = set
	return nil
}

// ClearFaults takes all faults away. Requests that already met one are not helped.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Faults returns the faults in force, with the times that are left.
func (s *Server) Faults() []Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	faults := []Fault{}
	for _, f := range s.faults {
		faults = append(faults, f.Fault)
	}
	return faults
}

// meet takes the faults of a stage for one request.
func (s *Server) meet(at stage, grant string) hits {
	s.mu.Lock()
	taken := s.meetLocked(at, grant)
	s.mu.Unlock()
	s.logFaults(taken)
	return taken
}

// meetLocked is meet for a caller that holds mu and logs the hits later.
func (s *Server) meetLocked(at stage, grant string) hits {
	taken := s.faults.take(at, grant)
	s.counters.Faults += len(taken)
	return taken
}

func (s *Server) logFaults(taken hits) {
	for _, f := range taken {
		s.cfg.Log.Info("fault", "name", f.Name, "endpoint", f.kind.stage.endpoint())
	}
}

// reasonPhrase is what a gateway's page calls a status.
func reasonPhrase(status int) string { return cmp.Or(http.StatusText(status), "Error") }
