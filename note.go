package codexauth

import (
	"os"
	"strings"
	"time"

	"codexauth/internal/process"
)

// newNote describes this process as the one that spends the given token.
func newNote(id, fingerprint string, now time.Time) *note {
	host, _ := os.Hostname()
	pid := os.Getpid()
	return &note{
		ID: id, Token: fingerprint, Since: now.UTC(),
		Host: host, Machine: process.Machine(), PID: pid, Started: process.Start(pid),
	}
}

// certainlyDead reports whether the process that wrote the note is gone beyond
// doubt: only a note of this very boot and pid namespace can be judged. A
// process on another machine, or in another container, may merely be cut off.
// Machines that were restored from one snapshot share boot and pids, too: in a
// store that is not one machine's alone, the note's witness must be here as well.
func (n *note) certainlyDead(oneMachine bool) bool {
	if n.Witness == "" && !oneMachine {
		return false
	}
	return process.Gone(n.Machine, n.PID, n.Started) && (n.Witness == "" || process.Left(n.Witness))
}

// oneMachine reports whether the store says that no other machine uses it. What
// wraps such a store hides that, which costs patience and nothing else.
func (k *keeper) oneMachine() bool {
	s, ok := k.cfg.Store.(interface{ OneMachine() bool })
	return ok && s.OneMachine()
}

// witness leaves a witness of a rotation where one may be asked for.
func (k *keeper) witness() process.Witness {
	if k.oneMachine() {
		return process.Witness{}
	}
	return process.NewWitness()
}

// here reports whether the note was written on this machine, as far as can be
// told: then the places that it names are this machine's.
func (n *note) here() bool {
	boot, _, _ := strings.Cut(n.Machine, " ")
	mine, _, _ := strings.Cut(process.Machine(), " ")
	return boot != "" && boot == mine || n.Host == hostname()
}

// note says that a refresh is on its way. It is committed before the request
// leaves, so that whoever finds it knows that the token may be spent, and
// because it proves that the store can be written before anything is spent.
type note struct {
	ID    string    `json:"id"`    // random, one for each attempt
	Token string    `json:"token"` // fingerprint of the refresh token being spent
	Since time.Time `json:"since"`
	// Who: enough to tell for certain that the holder is dead.
	Host    string `json:"host"`
	Machine string `json:"machine,omitempty"` // boot id and pid namespace
	PID     int    `json:"pid"`
	Started string `json:"started,omitempty"` // start time of that process
	Witness string `json:"witness,omitempty"` // a file of its machine that it keeps locked
	// Places are the directories in which the holder puts a successor that the
	// store does not take, by its own HOME and TMPDIR.
	Places []string `json:"places,omitempty"`
	// Ended is set when the holder itself learned that it will get no answer.
	Ended time.Time `json:"ended,omitzero"`

	unknown unknown
}

func (n *note) attempt() *Attempt {
	if n == nil {
		return nil
	}
	return &Attempt{Host: n.Host, PID: n.PID, Since: n.Since, Places: n.Places}
}
