//go:build unix || windows

package codexauth

import (
	"math"
	"testing"
)

// Spare memory is taken and given back, again and again; what the system does not have
// is an error before anything is sent.
func TestSpareMemory(t *testing.T) {
	for range 3 {
		giveBack, err := spareMemory(memoryForAnswer)
		if err != nil {
			t.Fatal(err)
		}
		giveBack()
	}
	const allAddresses = math.MaxInt &^ 0xffff
	if _, err := spareMemory(allAddresses); err == nil {
		t.Error("there is as much memory as there are addresses")
	}
}
