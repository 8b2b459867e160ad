package rig

import (
	"fmt"
	"time"
)

// Until waits until a condition holds.
func Until(what string, holds func() bool) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if holds() {
			return nil
		}
	}
	return fmt.Errorf("waited a minute for %s", what)
}
