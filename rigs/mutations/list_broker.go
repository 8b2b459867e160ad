package main

// broker: one client's trouble is its own, and who may ask.
func broker() []mutation {
	return []mutation{
		{file: "keeper.go", old: "case n.onlyRefused(o.held) && !n.looked && !n.leased && !k.rejections.worthARefresh(o.held):", new: "case n.onlyRefused(o.held) && !n.looked && n.looked:",
			rule: "one client's 401 is its own", by: "TestOneClientsTroubleIsItsOwn"},
		{file: "rejected.go", old: "if h == nil || h.rejected || !h.token.AccessToken.Equal(t.AccessToken) ||", new: "if h == nil || h.rejected ||",
			rule: "a 401 invalidates only the token that was refused", by: "TestInvalidateOfAnOlderToken"},
		{file: "rejected.go", old: "		interval = forcedInterval\n", new: "		_ = forcedInterval\n",
			rule: "a token that a refresh did help is replaced again", by: "TestTokenEndedAtTheBackend"},
		{file: "rejected.go", old: "		since = max(since, r.accepted.Load())\n", new: "		_ = since\n",
			rule: "who is served speaks against another refresh", by: "TestOneClientsTroubleIsItsOwn"},
		{file: "keeper.go", old: "	case time.Since(rec.ForcedAt).Abs() < forcedInterval && n.onlyRefused(heldOf(rec)):\n		return &RetryError{Err: errVain}\n", new: "",
			rule: "a backend's 401s are bounded across processes", by: "TestRotateForA401IsBounded"},
		{file: "broker/keyshelf.go", old: "		w.tried = time.Now()\n		if err", new: "		w.loaded, w.tried = now, time.Now()\n		if err",
			rule: "a revocation that could not be read is read again", by: "TestRevocationThatCouldNotBeReadAtOnce"},
		{file: "broker/client/peer.go", old: "known && !a.trusts(uid)", new: "known && !a.trusts(0)",
			rule: "a socket of another user is not used", by: "TestSocketOfAnotherUser"},
		{file: "internal/caller/caller_linux.go", old: "	return Stranger, other.uid\n", new: "	return Ours, other.uid\n",
			rule: "another user's program takes no part in a sign-in", in: "login", by: "TestProcessOfAnotherUserCantSignThePersonIn"},
	}
}
