//go:build !linux

package main

import (
	"fmt"
	"runtime"

	"codexauth/sandbox"
)

func fleet(b *run) ([]verdict, error)       { return linuxOnly(b) }
func killForeign(b *run) ([]verdict, error) { return linuxOnly(b) }
func disk(b *run) ([]verdict, error)        { return linuxOnly(b) }
func clock(b *run) ([]verdict, error)       { return linuxOnly(b) }
func versions(b *run) ([]verdict, error)    { return linuxOnly(b) }
func stop(b *run) ([]verdict, error)        { return linuxOnly(b) }
func refusal(b *run) ([]verdict, error)     { return linuxOnly(b) }

// linuxOnly is what a rig answers that runs on Linux only.
func linuxOnly(*run) ([]verdict, error) {
	fmt.Printf("skip: this rig needs Linux (signals by process, /proc, mounts), and this is %s\n", runtime.GOOS)
	return nil, nil
}

// hanging needs /proc.
func hanging() []proof { return nil }

// moving needs what the rig "kill" has.
func moving(sandbox.Config) []proof { return nil }

// overtakings need processes that stand still.
func overtakings(*run, engine) []proof { return nil }
