package main

// child: the process that rotates, and those who wait for it.
func child() []mutation {
	return []mutation{
		{file: "cmd/codexauth/internal/rotator/detached_unix.go", old: "Setsid: true", new: "Setsid: false",
			rule: "a child has a session of its own", in: "cmd/codexauth", by: "TestNothingEndsAChild"},
		{file: "cmd/codexauth/internal/rotator/detached_unix.go", old: "syscall.SIGALRM, syscall.SIGTERM,", new: "syscall.SIGALRM,",
			rule: "a child heeds no SIGTERM", in: "cmd/codexauth", by: "TestChildHeedsNoSignal"},
		{file: "cmd/codexauth/internal/rotator/child.go", old: "	signal.Ignore(Ignored()...)\n", new: "	signal.Reset()\n",
			rule: "a child ignores what can be ignored", in: "cmd/codexauth", by: "TestNothingEndsAChild"},
		{file: "cmd/codexauth/internal/rotator/detached.go", old: "environ.OfChild(os.Environ())", new: "append(environ.OfChild(nil), os.Environ()...)",
			rule: "a child bears no mark of a CI system", in: "cmd/codexauth", by: "TestNothingEndsAChild"},
		{file: "cmd/codexauth/internal/rotator/parent.go", old: "if turn == maxTurns || !errors.Is(err, codexauth.ErrBusy) {", new: "if turn > 0 {",
			rule: "who waited long for another's child sends one", in: "cmd/codexauth", by: "TestSuspendedParent"},
		{file: "cmd/codexauth/internal/rotator/parent.go", old: "			if !endsWithUs() {", new: "			if true {",
			rule: "the first process of a container waits for its child", in: "cmd/codexauth", by: "TestFirstProcessWaitsForTheChild"},
		{file: "cmd/codexauth/internal/rotator/parent.go", old: "		case err != nil && !began:", new: "		case err != nil:",
			rule: "a child that had begun may have spent the token", by: "TestChildSaysNothing"},
		{file: "adopt.go", old: "		k.cfg.BeforeClaim()\n", new: "",
			rule: "signals are heeded before a claim", by: "TestBeforeClaim"},
		{file: "internal/lockfile/relay.go", old: "		r.file.Close() // and no unlocking, which would end the child's lock\n		r.unlock = func() error { return nil }\n", new: "		r.unlock()\n		r.unlock = func() error { return nil }\n",
			rule: "a lock that was passed on is the child's", by: "TestRelay"},
		{file: "internal/lockfile/relay_flock.go", old: "os.O_RDWR|os.O_CREATE|noFollow", new: "os.O_RDWR|os.O_CREATE",
			rule: "a relay follows no link in the lock's place", by: "TestSymlink"},
		{file: "internal/lockfile/lockfile.go", old: "os.O_RDWR|os.O_CREATE|noFollow", new: "os.O_RDWR|os.O_CREATE",
			rule: "no link in the lock's place is followed", by: "TestSymlink"},
		{file: "internal/lockfile/lockfile.go", old: "	return os.SameFile(locked, now), nil\n", new: "	return now != nil, nil\n",
			rule: "a lock counts only while its path names it", by: "TestReplaced"},
	}
}
