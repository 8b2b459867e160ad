package resident

import (
	"io"
	"os"
	"sync"

	"codexauth/internal/atomicfile"
)

// A BoundedLog is a log file that does not grow without end: when it has so many bytes,
// they go to a file of the same name with .1 behind it, in place of what is there, and
// the log begins again. Each Write is done when it returns. Who is killed in between
// leaves lines in both files, and loses none.
//
// The log is emptied and not renamed: it is open in this process as its standard error,
// which goes on into the same file, and Windows renames no file that is open.
type BoundedLog struct {
	mu   sync.Mutex
	to   *os.File // appends
	path string
	most int64
	next int64 // at how many bytes it is emptied
}

// NewBoundedLog writes to a file that was opened to append, at path.
func NewBoundedLog(to *os.File, path string, most int64) *BoundedLog {
	return &BoundedLog{to: to, path: path, most: most, next: most}
}

func (l *BoundedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if info, err := l.to.Stat(); err == nil && info.Size() > 0 && info.Size()+int64(len(p)) > l.next {
		l.begin(info)
	}
	return l.to.Write(p)
}

// begin empties the log. Where its lines can't be kept, it waits for that to change
// until the log has twice the bytes that it may have.
func (l *BoundedLog) begin(now os.FileInfo) {
	f, err := os.OpenFile(l.path, os.O_RDWR, 0)
	if err != nil {
		return // nothing can be done about a log that is gone
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !os.SameFile(info, now) {
		return // somebody put another file there
	}
	lines, err := io.ReadAll(io.LimitReader(f, 2*l.most))
	if err == nil {
		err = atomicfile.Write(l.path+".1", lines, atomicfile.Options{AtOnce: true})
	}
	if err != nil && now.Size() < 2*l.most {
		l.next = now.Size() + l.most/8
		return
	}
	l.next = l.most
	_ = f.Truncate(0) // where that fails, the next line tries again
}
