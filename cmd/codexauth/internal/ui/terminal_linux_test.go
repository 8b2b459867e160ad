package ui

import (
	"os"
	"os/signal"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"codexauth/internal/rig/pty"
)

// Nothing is said over what a person types.
func TestNothingIsSaidWhileTheyType(t *testing.T) {
	person, tty := pty.Open(t)
	early := make(chan os.Signal, 1)
	signal.Notify(early, unix.SIGUSR1) // what package signal starts once is none of the bubble's
	signal.Stop(early)
	synctest.Test(t, func(t *testing.T) {
		term := &Terminal{Stdin: tty, Stderr: tty}
		typed := make(chan string)
		go func() {
			answer, err := ask(term, "Passphrase:", func() (string, error) { return <-typed, nil })
			if err != nil {
				t.Error(err)
			}
			typed <- answer
		}()
		stop := term.After(time.Second, "waiting for something")
		time.Sleep(10 * time.Second)
		term.Say("typed")
		typed <- "x"
		<-typed
		time.Sleep(1500 * time.Millisecond)
		stop()
	})
	var said string
	for buf := make([]byte, 1024); !strings.Contains(said, "something"); {
		n, err := person.Read(buf)
		if err != nil {
			t.Fatalf("%v after %q", err, said)
		}
		said += string(buf[:n])
	}
	if want := "Passphrase: typed\r\nwaiting for something"; !strings.HasPrefix(said, want) {
		t.Errorf("it says %q, want %q", said, want)
	}
}
