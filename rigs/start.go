package main

import (
	"fmt"
	"os"
	"path/filepath"
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
	plain, err := t.startOf(b)
	if err != nil {
		return nil, err
	}
	if err := t.sealStore(); err != nil {
		return nil, err
	}
	sealed, err := t.startOf(b)
	if err != nil {
		return nil, err
	}
	return append(plain.verdicts("valid token", 2.3, 10), sealed.verdicts("sealed with a key file", 2.4, 12)...), nil
}

// startTimes is what a number of starts took.
type startTimes struct{ ratio, resident []float64 }

// sealStore seals the trial's login with a new key file, for it to be used from now on.
func (t *trial) sealStore() error {
	key := filepath.Join(t.dir, "key")
	for _, args := range [][]string{{"store", "keygen", key}, {"store", "reseal", "--to", key}} {
		if err := t.run(args...).want(0); err != nil {
			return err
		}
	}
	t.env = append(t.env, "CODEXAUTH_IDENTITY_FILE="+key)
	return nil
}

func (t *trial) startOf(b *bench) (*startTimes, error) {
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
	return &startTimes{ratio, resident}, nil
}

func (s *startTimes) verdicts(what string, ratio, mib float64) []verdict {
	v := []verdict{{what: "codexauth token, " + what + " / a program that prints a line", got: median(s.ratio), bound: ratio, speed: true}}
	if runtime.GOOS == "linux" { // elsewhere in other units, or not at all
		v = append(v, verdict{what: "codexauth token, " + what + ", resident MiB", got: median(s.resident), bound: mib})
	}
	return v
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
