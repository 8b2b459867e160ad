package etcd

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"codexauth/internal/cleantext"
	"codexauth/internal/process"
)

// owner says who holds a claim or waits for it: the value of its key in etcd.
type owner struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	AskedAt time.Time `json:"asked_at"`          // for a person who looks at the queue
	Machine string    `json:"machine,omitempty"` // boot and pid namespace
	Started string    `json:"started,omitempty"` // start time of the process
	Witness string    `json:"witness,omitempty"` // a file of its machine that it keeps locked
}

func thisOwner(alive process.Witness) []byte {
	host, _ := os.Hostname()
	pid := os.Getpid()
	// It has no field that can't be put into JSON.
	text, _ := json.Marshal(owner{host, pid, time.Now().UTC().Truncate(time.Second), process.Machine(), process.Start(pid), alive.Path})
	return text
}

// ownerOf reads a value; one that nobody of ours wrote is the zero owner.
func ownerOf(value []byte) (o owner) {
	if json.Unmarshal(value, &o) != nil {
		return owner{}
	}
	return o
}

func (o owner) String() string {
	if o.PID == 0 {
		return "an unnamed holder"
	}
	return fmt.Sprintf("process %d on %s", o.PID, cleantext.Line(o.Host))
}

// gone reports whether that process has ended beyond doubt. Only on its own
// machine can that be known, and boot and pid alone do not tell which one that is:
// machines that were restored from one snapshot share them. A lease is never
// revoked for less.
func (o owner) gone() bool {
	return process.Gone(o.Machine, o.PID, o.Started) && process.Left(o.Witness)
}

// here reports whether it is known on this machine when that process ends.
func (o owner) here() bool { return o.Machine != "" && o.Machine == process.Machine() }
