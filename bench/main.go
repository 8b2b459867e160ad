// Command bench measures how fast things are: the library in this process, the
// command line and the broker as real processes, each against something as plain
// as possible, in pairs that alternate. Each prints its figures and its verdicts,
// and the exit code is 1 if one of them is missed.
//
//	go run ./bench [--quick] [--only TEXT] [NAME…]
//
// Without a name all run. --quick is for CI: fewer rounds, and no verdict on
// speed, of which a shared machine says nothing.
package main

import (
	"os"

	"codexauth/internal/rig"
)

type verdict = rig.Verdict

func benches() []rig.Rig {
	return []rig.Rig{
		{Name: "token", Help: "the cached token against the clock and x/oauth2", Play: token},
		{Name: "start", Help: "the start of `codexauth token` against a program that prints a line",
			Needs: []string{"codexauth", "hello", "measure"}, Play: start},
		{Name: "size", Help: "the stripped binary",
			Needs: []string{"codexauth"}, Play: size},
		{Name: "broker", Help: "`codexauth serve` and `exec` against a bare reverse proxy, a constant and a program that prints a line",
			Needs: []string{"codexauth", "hello", "load"}, Play: broker},
		{Name: "openai", Help: "OpenAI's API through `codexauth serve` against its own pass-through, and the writers of answers alone",
			Needs: []string{"codexauth", "load"}, Play: openAI},
	}
}

func main() { os.Exit(rig.Main("bench", benches())) }
