//go:build !windows

package sharing

// Retry calls do once: no other program holds up this one.
func Retry(do func() error) error { return do() }

// Violated is never true here.
func Violated(error) bool { return false }

// Held is never true here.
func Held(error) bool { return false }

// LookAgain calls do once: what is being replaced is never missing here.
func LookAgain(_ string, do func() error) error { return do() }
