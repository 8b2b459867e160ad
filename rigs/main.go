// Command rigs crashes, stops and breaks things around real processes of the built
// programs, with the sandbox, or a server that others wrote, as the judge. Each
// rig prints its counts and its verdicts, and the exit code is 1 if one of them is
// missed. README.md says which guarantee hangs on which rig.
//
//	go run ./rigs [--quick] [--only TEXT] [--at COMMIT] [NAME…]
//
// Without a name all rigs run. --quick is for CI: fewer rounds, and no verdict on
// speed, of which a shared machine says nothing.
package main

import (
	"os"

	"codexauth/internal/rig"
	"codexauth/internal/rig/program"
)

// Words of the harness that stand in every file.
type (
	verdict = rig.Verdict
	running = program.Running
	result  = program.Result
)

// A run is one run of this program.
type run struct{ *rig.Run }

func rigs() []rig.Rig {
	return []rig.Rig{
		{Name: "storm", Help: "many processes at once on one expired credential",
			Needs: []string{"codexauth", "client"}, Play: by(storm)},
		{Name: "held", Help: "another program that has the record open again and again while it is replaced",
			Needs: []string{"codexauth"}, Play: by(held)},
		{Name: "kill", Help: "SIGKILL at every step of a rotation, a sign-in, a sign-out and a move, and at random",
			Needs: []string{"codexauth", "faultpoints"}, Play: by(kill)},
		{Name: "kill-oidc", Help: "the same against npm's oidc-provider, which revokes a whole login when a token is reused",
			Needs: []string{"codexauth", "faultpoints"}, Play: by(killForeign)},
		{Name: "disk", Help: "a disk that is full, read-only, failing, or gone; a power cut",
			Needs: []string{"codexauth", "faultpoints"}, Play: by(disk)},
		{Name: "network", Help: "whatever can happen to a request",
			Needs: []string{"codexauth", "client"}, Play: by(network)},
		{Name: "stop", Help: "a refreshing process that stands still",
			Needs: []string{"codexauth", "faultpoints", "client"}, Play: by(stop)},
		{Name: "people", Help: "signing in and out, and moving a login, while a refresh is on its way",
			Needs: []string{"codexauth", "faultpoints"}, Play: by(people)},
		{Name: "versions", Help: "an older command line and this one on one login",
			Needs: []string{"codexauth", "faultpoints", "older"}, Play: by(versions)},
		{Name: "clock", Help: "a wall clock that is an hour wrong or jumps; a machine that was suspended",
			Needs: []string{"codexauth", "shifted", "shiftclient"}, Play: by(clock)},
		{Name: "refusal", Help: "many monitors and two brokers, which all watch a login that the server refuses",
			Needs: []string{"codexauth"}, Play: by(refusal)},
		{Name: "fleet", Help: "one login shared through a database server, which breaks, and by machines of a network that does",
			Needs: []string{"codexauth", "faultpoints", "client"}, Play: by(fleet)},
	}
}

// by has a rig of this program played by the harness.
func by(play func(*run) ([]verdict, error)) func(*rig.Run) ([]verdict, error) {
	return func(r *rig.Run) ([]verdict, error) { return play(&run{r}) }
}

func main() {
	if len(os.Args) == 4 && os.Args[1] == forwardCommand {
		os.Exit(forward(os.Args[2], os.Args[3]))
	}
	if len(os.Args) > 2 && os.Args[1] == initCommand {
		os.Exit(smallInit(os.Args[2:]))
	}
	os.Exit(rig.Main("rigs", rigs()))
}
