//go:build !unix

package broker

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
)

// ErrInherited: a socket that this process was given can't be served.
var ErrInherited = errors.New("unusable inherited socket")

// Inherit serves a socket that this process was given; here there are none.
func Inherit(f *os.File, _ *tls.Config, _ []int) (net.Listener, error) {
	return nil, errors.Join(fmt.Errorf("%w: %w", ErrInherited, errors.ErrUnsupported), f.Close())
}
