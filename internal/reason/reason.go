// Package reason tells errors of package codexauth apart more finely than its users
// need: for the command line and the broker, which have a word for each.
package reason

import "errors"

var (
	// ErrNotNewer: the login to import is of the stored login's account, and not newer.
	// It comes with codexauth.ErrSignedIn.
	ErrNotNewer = errors.New("the stored login is at least as new")
	// ErrStoreAway: there is no record, and a rescued login waits for one, or there was a
	// record that nobody signed out: the store was moved, or is on a volume that is not
	// mounted. An error of the Manager matches codexauth.ErrSignedOut as well; that of
	// an EventStoreAway does not.
	ErrStoreAway = errors.New("a rescued login waits for its store")
)

// MovedTo returns where a login lives on that was signed out here because it went
// there: its profile, and its store where that is another. ok is false for every
// other error.
func MovedTo(err error) (key, store string, ok bool) {
	var moved interface{ MovedTo() (key, store string) }
	if !errors.As(err, &moved) {
		return "", "", false
	}
	key, store = moved.MovedTo()
	return key, store, true
}
