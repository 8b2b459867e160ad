package lockfile

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Holder is who took a lock, as the file tells: for a person to read, not to
// decide by. A waiter may see the one before.
type Holder struct {
	PID   int // in the holder's own process namespace
	Host  string
	Since time.Time // when it took the lock
}

// String is a phrase such as "process 4711 on host-a since 2026-07-01T10:31:00Z",
// or "another process" for the zero Holder.
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d on %s since %s", h.PID, h.Host, h.Since.UTC().Format(time.RFC3339))
}

// holderAt is where the holder's line begins. Windows keeps everybody but the
// holder from the locked byte 0, reading included.
const holderAt = 1

// maxHolder is the most that is read of the line: a host name has at most 253
// characters.
const maxHolder = 320

// writeHolder notes that this process has the lock. Whoever cannot (a full disk)
// has the lock all the same.
func writeHolder(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY|noFollow, 0)
	if err != nil {
		return
	}
	defer f.Close()
	host, _ := os.Hostname()
	line := fmt.Sprintf("%d %s %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339), printable(host))
	if _, err := f.WriteAt([]byte(line), holderAt); err == nil {
		f.Truncate(int64(holderAt + len(line)))
	}
}

// ReadHolder returns who took the lock at path last, or the zero Holder if the
// file does not tell. It does not say whether the lock is still held.
func ReadHolder(path string) Holder {
	f, err := os.OpenFile(path, os.O_RDONLY|noFollow, 0)
	if err != nil {
		return Holder{}
	}
	defer f.Close()
	buf := make([]byte, maxHolder)
	n, _ := f.ReadAt(buf, holderAt)
	return parseHolder(string(buf[:n]))
}

func parseHolder(text string) Holder {
	line, _, complete := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if !complete || len(fields) != 3 {
		return Holder{}
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil || pid <= 0 {
		return Holder{}
	}
	since, err := time.Parse(time.RFC3339, fields[1])
	if err != nil {
		return Holder{}
	}
	return Holder{PID: pid, Host: printable(fields[2]), Since: since}
}

// printable makes a name fit for a terminal and for a field of the line.
func printable(name string) string {
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '?'
		}
		return r
	}, name)
	if name == "" {
		return "unknown-host"
	}
	return name
}
