//go:build !linux && !windows

package codexauth

import "time"

// sinceBoot falls back to the wall clock, which also runs on during a suspend.
func sinceBoot() time.Duration { return fallbackClock() }
