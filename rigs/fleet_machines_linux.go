package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"codexauth"
	"codexauth/internal/rig"
	"codexauth/sandbox"
)

// serverAddress is the server's, and this run's, on the bridge that connects the
// machines.
const serverAddress = "10.77.0.1"

// A machine has a network, a host name and processes of its own.
type machine struct {
	number int
	keeper *exec.Cmd // keeps it in being
	pid    string    // of a process in it
	cable  string    // this end of it
}

// machines shares a login among three machines and a server on a fourth.
func (f *fleetRun) machines(start func(host string) (engine, error)) error {
	if !f.b.Isolated() {
		fmt.Println("  skip the machines: no namespaces available here")
		return nil
	}
	for _, args := range [][]string{
		{"link", "add", "bridge0", "type", "bridge"}, {"addr", "add", serverAddress + "/24", "dev", "bridge0"}, {"link", "set", "bridge0", "up"},
	} {
		if err := command("ip", args...); err != nil {
			return err
		}
	}
	e, err := start(serverAddress)
	if err != nil {
		return err
	}
	defer e.close()
	n := &bridge{f: &fleetRun{b: f.b, e: e, name: f.name}}
	defer n.close()
	for range 3 {
		if err := n.add(); err != nil {
			return err
		}
	}
	for _, part := range []func() error{n.storm, n.waiters, n.cutOff, n.clone, n.vanish} {
		if err := part(); err != nil {
			return err
		}
	}
	f.verdicts = append(f.verdicts, n.f.verdicts...)
	return nil
}

// bridge is three machines on one network.
type bridge struct {
	f        *fleetRun
	machines []*machine
}

func (n *bridge) close() {
	for _, m := range n.machines {
		m.keeper.Process.Kill()
		m.keeper.Wait()
	}
	_ = command("ip", "link", "del", "bridge0") // if it stays, the next one says so
}

// command runs a program that says nothing if all is well.
func command(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %v: %w: %s", name, args, err, bytes.TrimSpace(out))
	}
	return nil
}

// add makes a machine and plugs it in.
func (n *bridge) add() error {
	i := len(n.machines)
	m := &machine{number: i, cable: fmt.Sprint("cable", i)}
	script := fmt.Sprintf("hostname machine%d && ip link set lo up && echo ready && exec sleep 1000000", i)
	m.keeper = exec.Command("unshare", "--net", "--uts", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script)
	out, err := m.keeper.StdoutPipe()
	if err != nil {
		return err
	}
	if err := m.keeper.Start(); err != nil {
		return err
	}
	n.machines = append(n.machines, m)
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("a machine did not start: %q, %w", line, err)
	}
	m.pid = strconv.Itoa(childOf(m.keeper.Process.Pid))
	address := fmt.Sprintf("10.77.0.%d/24", 10+i)
	return errors.Join(
		command("ip", "link", "add", m.cable, "type", "veth", "peer", "name", "eth0", "netns", m.pid),
		command("ip", "link", "set", m.cable, "master", "bridge0", "up"),
		m.run("ip", "addr", "add", address, "dev", "eth0"), m.run("ip", "link", "set", "eth0", "up"))
}

// within is the command that runs another on this machine.
func (m *machine) within() []string {
	return []string{"nsenter", "-t", m.pid, "-n", "-u", "-p", "-m", "--"}
}

func (m *machine) run(args ...string) error {
	args = append(m.within(), args...)
	return command(args[0], args[1:]...)
}

// plug connects the machine to the network, or pulls its cable.
func (m *machine) plug(in bool) error {
	return command("ip", "link", "set", m.cable, map[bool]string{true: "up", false: "down"}[in])
}

// expired makes a login that all machines share, and a trial on each. The
// authorization server is at the same address of each machine's own loopback.
func (n *bridge) expired() (t *trial, each []*trial, err error) {
	t, err = n.f.b.newExpiredIn(n.f.e, sandbox.Config{})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			t.Close()
		}
	}()
	issuer, err := url.Parse(t.Issuer)
	if err != nil {
		return t, nil, err
	}
	relay, err := net.Listen("tcp", serverAddress+":0")
	if err != nil {
		return t, nil, err
	}
	t.AtEnd = append(t.AtEnd, func() { relay.Close() })
	go passOn(relay, issuer.Host)
	self, err := os.Executable()
	if err != nil {
		return t, nil, err
	}
	for _, m := range n.machines {
		on := *t
		on.Within = m.within()
		on.Env = append(slices.Clone(t.Env), t.homeOf(m.number)...)
		r, err := on.StartPath(self, nil, forwardCommand, issuer.Host, relay.Addr().String())
		if err != nil {
			return t, nil, err
		}
		if err := rig.Until("the way to the authorization server", func() bool { return r.Out.String() != "" || !r.Runs() }); err != nil {
			return t, nil, err
		}
		t.AtEnd = append(t.AtEnd, func() { killTree(r.Process.Pid) })
		each = append(each, &on)
	}
	return t, each, nil
}

// storm starts commands on all machines at once.
func (n *bridge) storm() error {
	var w fleetWaves
	for range rig.Pick(n.f.b.Run, 1, 5) {
		t, each, err := n.expired()
		if err != nil {
			return err
		}
		err = w.add(t, func() (time.Duration, []string, []error) {
			return together(fleetSize, func(i int) result { return each[i%len(each)].Run("token") })
		})
		t.Close()
		if err != nil {
			return err
		}
	}
	w.judge(n.f, "commands on three machines", true)
	return nil
}

// waiters are programs on all machines that wait for one of them.
func (n *bridge) waiters() error {
	t, each, err := n.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Fault("latency=3s"); err != nil {
		return err
	}
	rotated, had, err := timesOf(each, fleetSize)
	if err != nil {
		return err
	}
	var delays []float64
	for _, at := range had {
		if at.After(rotated) {
			delays = append(delays, at.Sub(rotated).Seconds()*1e3)
		}
	}
	c := t.Server.Counters()
	fmt.Printf("  %d programs on three machines: the new token after %.1f ms at the median, %.1f ms at the latest\n", len(had), rig.Median(delays), slices.Max(delays))
	n.f.judge(verdict{What: "three machines: programs that wait: requests beyond one, reuses, failures", Got: float64(c.TokenRequests - 1 + c.Reuses + fleetSize - len(had))})
	n.f.judge(verdict{What: "three machines: ms from the commit to the token, median", Got: rig.Median(delays), Bound: 100, Speed: true})
	return nil
}

// cutOff pulls the cable of the machine that refreshes, in the middle of it, and
// plugs it in again: in the full run when the server has let go of its claim.
func (n *bridge) cutOff() error {
	t, each, err := n.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	faults := 0.0
	began := time.Now()
	if err := n.cutOffOn(t, each, rig.Pick(n.f.b.Run, 8*time.Second, 45*time.Second)); err != nil {
		fmt.Println("  FAULT when a machine is cut off:", err)
		faults = 1
	}
	fmt.Printf("  a machine cut off in mid-rotation, and back: %v\n", time.Since(began).Round(100*time.Millisecond))
	n.f.judge(verdict{What: "three machines: one cut off in mid-rotation and back: faults", Got: faults})
	return nil
}

func (n *bridge) cutOffOn(t *trial, each []*trial, away time.Duration) error {
	if err := t.Fault("latency-after=2s"); err != nil {
		return err
	}
	holder, err := each[0].Start("codexauth", nil, "token", "--json")
	if err != nil {
		return err
	}
	if err := t.untilAsked(1); err != nil {
		return err
	}
	var others []*running
	for _, on := range each[1:] {
		for _, args := range [][]string{{"codexauth", "token"}, {"client", "-store", t.Address, "-issuer", t.Issuer}} {
			r, err := on.Start(args[0], nil, args[1:]...)
			if err != nil {
				return err
			}
			others = append(others, r)
		}
	}
	if err := n.machines[0].plug(false); err != nil {
		return err
	}
	time.Sleep(away)
	if err := n.machines[0].plug(true); err != nil {
		return err
	}
	_, err = t.honoured(holder.End())
	for _, r := range others {
		err = errors.Join(err, r.End().Want(0))
	}
	return errors.Join(err, t.requests(1), each[1].Run("token").Want(0), t.requests(1), t.noRescue())
}

// vanish pulls the cable of a machine that refreshes for good, and measures when
// the server lets its claim go.
func (n *bridge) vanish() error {
	if n.f.b.Quick {
		return nil
	}
	t, each, err := n.expired()
	if err != nil {
		return err
	}
	defer t.Close()
	if err := t.Fault("hang"); err != nil {
		return err
	}
	holder, err := each[2].Start("client", nil, "-store", t.Address, "-issuer", t.Issuer)
	if err != nil {
		return err
	}
	if err := errors.Join(t.untilAsked(1), n.machines[2].plug(false)); err != nil {
		return err
	}
	began := time.Now()
	store, err := t.Open()
	if err != nil {
		return err
	}
	defer rig.CloseStore(store)
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	claim, err := store.Claim(ctx, codexauth.DefaultKey)
	if err != nil {
		return err
	}
	took := time.Since(began)
	n.f.judge(verdict{What: "a host that vanished lets go after, seconds", Got: took.Seconds(), Bound: 60})
	killTree(holder.Process.Pid)
	return errors.Join(claim.Release(), n.machines[2].plug(true))
}
