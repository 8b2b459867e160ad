package broker

import "math"

const (
	mostRequests = 8192
	mostConns    = 10240
	ownFiles     = 128 // descriptors for everything else
)

// DefaultLimits are what this process can bear: a request takes up to three of
// the files that it may have open, a connection one.
func DefaultLimits() (requests, conns int) { return limitsFor(maxFiles()) }

func limitsFor(files uint64) (requests, conns int) {
	free := int(min(files, math.MaxInt32))
	free = max(free-ownFiles, 32)
	requests = min(mostRequests, free/3)
	return requests, min(mostConns, free-requests)
}

// takeSlot makes room for one more request.
func (s *Server) takeSlot() bool {
	if s.slots.Add(1) > int64(s.cfg.MaxRequests) {
		s.slots.Add(-1)
		return false
	}
	return true
}
