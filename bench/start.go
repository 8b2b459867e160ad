package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"codexauth/internal/rig"
	"codexauth/internal/rig/program"
	"codexauth/sandbox"
)

// start times whole processes, interleaved.
func start(b *rig.Run) ([]verdict, error) {
	t, err := b.NewTrial(sandbox.Config{})
	if err != nil {
		return nil, err
	}
	defer t.Close()
	plain, err := startOf(b, t)
	if err != nil {
		return nil, err
	}
	if err := sealStore(t); err != nil {
		return nil, err
	}
	sealed, err := startOf(b, t)
	if err != nil {
		return nil, err
	}
	return append(plain.verdicts("valid token", 2.3, 10), sealed.verdicts("sealed with a key file", 2.4, 12)...), nil
}

// startTimes is what a number of starts took.
type startTimes struct{ ratio, resident []float64 }

// sealStore seals a trial's login with a new key file, for it to be used from now on.
func sealStore(t *rig.Trial) error {
	key := filepath.Join(t.Dir, "key")
	for _, args := range [][]string{{"store", "keygen", key}, {"store", "reseal", "--to", key}} {
		if err := t.Run(args...).Want(0); err != nil {
			return err
		}
	}
	t.Env = append(t.Env, "CODEXAUTH_IDENTITY_FILE="+key)
	return nil
}

func startOf(b *rig.Run, t *rig.Trial) (*startTimes, error) {
	var hello, token, ratio, resident []float64
	for i := range rig.Pick(b, 21, 41) {
		h, k := t.RunProgram("hello", nil), t.Run("token")
		for _, r := range []program.Result{h, k} {
			if err := r.Want(0); err != nil {
				return nil, err
			}
		}
		mib, err := residentMiB(t, "token")
		if err != nil {
			return nil, err
		}
		if i > 0 {
			hello, token = append(hello, h.Wall.Seconds()*1e3), append(token, k.Wall.Seconds()*1e3)
			ratio, resident = append(ratio, k.Wall.Seconds()/h.Wall.Seconds()), append(resident, mib)
		}
	}
	fmt.Printf("hello %.2f ms, codexauth token %.2f ms, %.1f MiB resident (medians of %d)\n",
		rig.Median(hello), rig.Median(token), rig.Median(resident), len(ratio))
	return &startTimes{ratio, resident}, nil
}

func (s *startTimes) verdicts(what string, ratio, mib float64) []verdict {
	v := []verdict{{What: "codexauth token, " + what + " / a program that prints a line", Got: rig.Median(s.ratio), Bound: ratio, Speed: true}}
	if runtime.GOOS == "linux" { // elsewhere in other units, or not at all
		v = append(v, verdict{What: "codexauth token, " + what + ", resident MiB", Got: rig.Median(s.resident), Bound: mib})
	}
	return v
}

// residentMiB runs codexauth and returns its greatest resident size in MiB.
func residentMiB(t *rig.Trial, args ...string) (float64, error) {
	if runtime.GOOS == "windows" {
		return 0, nil
	}
	r := t.RunProgram("measure", nil, append([]string{t.Program("codexauth")}, args...)...)
	if err := r.Want(0); err != nil {
		return 0, err
	}
	kib, err := strconv.ParseFloat(strings.TrimSpace(r.Out), 64)
	return kib / 1024, err
}

// size weighs a build for release.
func size(b *rig.Run) ([]verdict, error) {
	info, err := os.Stat(b.Program("codexauth"))
	if err != nil {
		return nil, err
	}
	return []verdict{{What: "stripped binary, MB", Got: float64(info.Size()) / 1e6, Bound: 15}}, nil
}
