// Package storekey has the rule of keys for the stores that keep them as they are.
package storekey

import (
	"errors"
	"fmt"
)

// Check refuses an empty key, and one of more than longest bytes.
func Check(key string, longest int) error {
	if key == "" {
		return errors.New("the key is empty")
	}
	if len(key) > longest {
		return fmt.Errorf("the key is %d bytes long; the longest is %d", len(key), longest)
	}
	return nil
}
