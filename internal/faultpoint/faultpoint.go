// Package faultpoint names the places at which a process that changes a login
// can be cut off. In a normal build a point does nothing and costs nothing. A
// build with the tag "faultpoints" kills or stops itself at the point that
// CODEXAUTH_FAULTPOINT names, so that a test can prove what is left behind. The
// table is the list that the kill sweep works through: a point that is not in it
// does not compile.
package faultpoint

// Point is a place in the code.
type Point int

// The places, in the order in which a rotation, a sign-in or a sign-out comes by.
const (
	Claimed        Point = iota // the claim was won, and the record read under it
	NoteSaved                   // the note is durable; nothing was sent
	BeforeSend                  // connected; the next byte is the request
	RequestWritten              // the whole request left this process
	HeadersRead                 // the server's status and headers are here
	BodyRead                    // the answer is here, in memory only
	TempCreated                 // an empty temporary file
	TempWritten                 // the new record is written, not synced
	TempSynced                  // the new record is on the disk under a temporary name
	Renamed                     // it has its name; the directory is not synced
	DirSynced                   // it is durable
	SuccessorSaved              // the store has confirmed
	Published                   // this process uses the new token
	Released                    // the claim is given back
	CodeExchanged               // sign-in: the code is spent, nothing is saved
	LoginSaved                  // sign-in: the login is durable
	TombstoneSaved              // sign-out: no token is in the store any more
	Revoked                     // sign-out: the server has been told
	Delivered                   // move, hand-over: the login is at its new place, and here too
	points                      // how many there are
)

var names = [points]string{
	"claimed", "note-saved", "before-send", "request-written", "headers-read", "body-read",
	"temp-created", "temp-written", "temp-synced", "renamed", "dir-synced",
	"successor-saved", "published", "released",
	"code-exchanged", "login-saved", "tombstone-saved", "revoked", "delivered",
}

func (p Point) String() string { return names[p] }

// All returns every point.
func All() []Point {
	all := make([]Point, points)
	for i := range all {
		all[i] = Point(i)
	}
	return all
}
