//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"codexauth/sandbox"
)

func fleet(b *bench) ([]verdict, error)       { return elsewhere(b) }
func kill(b *bench) ([]verdict, error)        { return elsewhere(b) }
func killForeign(b *bench) ([]verdict, error) { return elsewhere(b) }
func disk(b *bench) ([]verdict, error)        { return elsewhere(b) }
func clock(b *bench) ([]verdict, error)       { return elsewhere(b) }
func stop(b *bench) ([]verdict, error)        { return elsewhere(b) }

// isolate does nothing here.
func (b *bench) isolate() (code int, done bool) { return 0, false }

// elsewhere is what a rig answers that runs on Linux only.
func elsewhere(*bench) ([]verdict, error) {
	fmt.Printf("skip: this rig needs Linux (signals by process, /proc, mounts), and this is %s\n", runtime.GOOS)
	return nil, nil
}

// hanging needs /proc.
func hanging() []proof { return nil }

// moving needs what the rig "kill" has.
func moving(sandbox.Config) []proof { return nil }
