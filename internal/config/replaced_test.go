package config

import (
	"os"
	"testing"

	"codexauth/internal/atomicfile"
)

// TestReadWhileReplaced: on Windows a file can't be opened in the instant in which it
// is replaced, and who reads it waits for that instant.
func TestReadWhileReplaced(t *testing.T) {
	const text = "model = \"m\"\n"
	path := at(t, text)
	if err := os.WriteFile(path+".lock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		replaced := 0
		defer func() { done <- replaced }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := atomicfile.Write(path, []byte(text), atomicfile.Options{}); err != nil {
				t.Errorf("replacing it: %v", err)
				return
			}
			replaced++
		}
	}()
	for range 500 {
		if got, err := load(path); err != nil || got != text {
			t.Errorf("%q, %v", got, err)
			break
		}
	}
	close(stop)
	if replaced := <-done; replaced == 0 {
		t.Error("it was never replaced")
	}
}
