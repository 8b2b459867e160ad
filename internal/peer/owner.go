package peer

import (
	"os"

	"codexauth/internal/private"
)

// Owner is the user whose file a socket is.
func Owner(path string) (uid int, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	uid, _, known = private.Owners(info)
	return uid, known
}
