package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"codexauth/internal/etcdserver"
)

// etcdServer is an etcd of one member, with its data below the run's directory.
type etcdServer struct{ *etcdserver.Server }

// etcdRig plays storms, kills and what happens to processes and servers with the
// logins in an etcd.
func etcdRig(b *bench) ([]verdict, error) {
	server, err := newEtcd(b.dir)
	if errors.Is(err, etcdserver.ErrMissing) {
		fmt.Println("  skip:", err)
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	b.etcd = server
	defer func() { b.etcd = nil; server.Kill() }()
	if err := server.start(); err != nil {
		return nil, err
	}
	verdicts := b.prove("etcd", 4, etcdStands(b))
	verdicts = append(verdicts, b.prove("etcd", 1, etcdOutages())...) // one server for all
	if b.only != "" {
		return verdicts, nil
	}
	storms, err := b.etcdStorms()
	verdicts = append(verdicts, storms...)
	if err != nil {
		return verdicts, err
	}
	k := &killing{b: b, passed: map[string]int{}}
	if err := k.sweep(); err != nil {
		return verdicts, err
	}
	fmt.Printf("  at fault points: %v\n", k)
	verdicts = append(verdicts, k.verdicts("with etcd at points")...)
	random := &killing{b: b}
	if err := random.atRandom(); err != nil {
		return verdicts, err
	}
	fmt.Printf("  at random: %v\n", random)
	return append(verdicts, random.verdicts("with etcd at random")...), nil
}

func (b *bench) etcdStorms() (verdicts []verdict, err error) {
	for _, w := range []wave{
		{"codexauth", 32, 150 * time.Millisecond, false}, {"codexauth", 32, 2 * time.Second, true},
		{"client", 32, 150 * time.Millisecond, true}, {"client", 32, 2 * time.Second, false},
	} {
		v, err := b.stormOf(w)
		if err != nil {
			return verdicts, fmt.Errorf("%v: %w", w, err)
		}
		verdicts = append(verdicts, v...)
	}
	return verdicts, nil
}

func newEtcd(dir string) (*etcdServer, error) {
	all, err := etcdserver.New(filepath.Join(dir, "etcd"), 1)
	if err != nil {
		return nil, err
	}
	return &etcdServer{all[0]}, os.Mkdir(filepath.Join(dir, "etcd"), 0o700)
}

func (s *etcdServer) place(name string) string { return "etcd://" + s.Endpoint() + "/" + name }

// start starts it and waits until it answers.
func (s *etcdServer) start() error { return errors.Join(s.Start(), s.Ready()) }

// etcdStands are processes that stand still, seen from the same machine and from
// others.
func etcdStands(b *bench) []proof {
	still := pick(b, 6*time.Second, 20*time.Second)
	return []proof{
		{name: "stands once the request is out", play: standsAt(moment{"request-written", 1}, still, false)},
		{name: "stands with the answer in memory", play: standsAt(moment{"body-read", 2}, still, false)},
		{name: "stands, and what the person started is killed", play: standsAt(moment{"request-written", 1}, still, true)},
		{name: "stands between note and request, longer than the fence", play: pastFence},
		{name: "stopped from outside while the server works", play: stoppedOutside},
		{name: "a program with the library stands", play: libraryStands(still)},
		{name: "three machines at once", play: threeMachines},
		{name: "stands while other machines wait", play: standsElsewhere(still)},
		{name: "stands longer than its lease while other machines wait", full: true, play: standsElsewhere(50 * time.Second)},
		{name: "killed while other machines wait", full: true, play: killedElsewhere},
	}
}

// etcdOutages are what happens to the server while a request is out.
func etcdOutages() []proof {
	return []proof{
		{name: "the server is killed and started", play: outage(func(s *etcdServer) error { s.Kill(); return nil }, 2*time.Second, (*etcdServer).start)},
		{name: "the server stands still", play: outage(
			func(s *etcdServer) error { return s.Process().Signal(syscall.SIGSTOP) }, 8*time.Second,
			func(s *etcdServer) error { return s.Process().Signal(syscall.SIGCONT) })},
		{name: "the server is away longer than anybody saves", full: true, play: longOutage},
	}
}

// onMachine starts `codexauth token` as another machine would: with a home and
// process numbers of its own, so that no lock file is shared and nobody can tell
// whose process has ended.
func (t *trial) onMachine(n int) (*running, error) {
	if !t.b.isolated() {
		return nil, skip{"process namespaces are not permitted"}
	}
	home := filepath.Join(t.dir, fmt.Sprint("machine-", n))
	if err := os.MkdirAll(filepath.Join(home, "tmp"), 0o700); err != nil {
		return nil, err
	}
	env := []string{"CODEXAUTH_HOME=" + home, "HOME=" + home, "TMPDIR=" + filepath.Join(home, "tmp")}
	return t.startPath("/usr/bin/unshare", env, "--pid", "--fork", "--mount-proc", "--kill-child", t.b.program("codexauth"), "token", "--json")
}

// onMachines starts commands on each of three machines.
func (t *trial) onMachines(each int) (all []*running, err error) {
	for i := range 3 * each {
		r, err := t.onMachine(i % 3)
		if err != nil {
			return all, err
		}
		all = append(all, r)
	}
	return all, nil
}

func threeMachines(t *trial) error {
	if err := t.fault("latency=150ms@refresh"); err != nil {
		return err
	}
	all, err := t.onMachines(8)
	if err != nil {
		return err
	}
	return errors.Join(t.served(all), t.livesAfter(1))
}

func standsElsewhere(still time.Duration) func(*trial) error {
	return func(t *trial) error {
		r, child, err := t.standing(moment{"request-written", 1})
		if err != nil {
			return err
		}
		others, err := t.onMachines(2)
		if err == nil {
			time.Sleep(still)
			err = stillWaiting(others)
		}
		err = errors.Join(err, syscall.Kill(child, syscall.SIGCONT))
		_, err2 := t.honoured(r.wait())
		return errors.Join(err, err2, t.served(others), t.livesAfter(1), t.noRescue())
	}
}

// killedElsewhere: nobody on the other machines can know that the process is
// dead. They wait out its lease and its note, and then try the token once.
func killedElsewhere(t *trial) error {
	r, child, err := t.standing(moment{"note-saved", 1})
	if err != nil {
		return err
	}
	if err := errors.Join(syscall.Kill(child, syscall.SIGKILL), r.Process.Kill()); err != nil {
		return err
	}
	r.wait()
	others, err := t.onMachines(1)
	if err != nil {
		return err
	}
	began := time.Now()
	err = t.served(others)
	fmt.Printf("  the other machines had a token %v after the kill\n", time.Since(began).Round(time.Second))
	return errors.Join(err, t.livesAfter(1))
}

func outage(away func(*etcdServer) error, length time.Duration, back func(*etcdServer) error) func(*trial) error {
	return func(t *trial) error {
		r, err := t.asking()
		if err != nil {
			return err
		}
		if err := away(t.b.etcd); err != nil {
			return err
		}
		time.Sleep(length)
		if err := back(t.b.etcd); err != nil {
			return err
		}
		_, err = t.honoured(r.wait())
		return errors.Join(err, t.livesAfter(1), t.noRescue())
	}
}

func longOutage(t *trial) error {
	r, err := t.asking()
	if err != nil {
		return err
	}
	t.b.etcd.Kill()
	err = errors.Join(t.untilRescued(), r.wait().want(exitTryLater))
	meanwhile := t.run("token")
	err = errors.Join(err, meanwhile.want(exitTryLater), t.b.etcd.start())
	return errors.Join(err, t.livesAfter(1), t.noRescue())
}
