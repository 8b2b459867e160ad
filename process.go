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
