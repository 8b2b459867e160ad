package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"

	"codexauth/sandbox"
)

// start times whole processes, interleaved.
func start(b *bench) ([]verdict, error) {
	t, err := b.newTrial(sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer t.close()
	var hello, token, ratio, resident []float64
	for i := range pick(b, 21, 41) {
		h, k := t.runProgram("hello", nil), t.run("token")
		for _, r := range []result{h, k} {
			if err := r.want(0); err != nil {
				return nil, err
			}
		}
		mib, err := t.resident("token")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			hello, token = append(hello, h.wall.Seconds()*1e3), append(token, k.wall.Seconds()*1e3)
			ratio, resident = append(ratio, k.wall.Seconds()/h.wall.Seconds()), append(resident, mib)
		}
	}
	fmt.Printf("hello %.2f ms, codexauth token %.2f ms, %.1f MiB resident (medians of %d)\n",
		median(hello), median(token), median(resident), len(ratio))
	verdicts := []verdict{{what: "codexauth token, valid token / a program that prints a line", got: median(ratio), bound: 2.3, speed: true}}
	if runtime.GOOS == "linux" { // elsewhere in other units, or not at all
		verdicts = append(verdicts, verdict{what: "codexauth token, resident MiB", got: median(resident), bound: 10})
	}
	return verdicts, nil
}

// resident runs codexauth and returns its greatest resident size in MiB.
func (t *trial) resident(args ...string) (float64, error) {
	if runtime.GOOS == "windows" {
		return 0, nil
	}
	r := t.runProgram("measure", nil, append([]string{t.b.program("codexauth")}, args...)...)
	if err := r.want(0); err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(strings.TrimSpace(r.out), 64)
	return kib / 1024, err
}

// size weighs a build for release.
func size(b *bench) ([]verdict, error) {
	info, err := os.Stat(b.program("codexauth"))
	if err != nil {
		return nil, err
	}
	return []verdict{{what: "stripped binary, MB", got: float64(info.Size()) / 1e6, bound: 15}}, nil
}
