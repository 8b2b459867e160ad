package main

// wire: what an answer means, and what leaves.
func wire() []mutation {
	return []mutation{
		{file: "internal/oauth/verdict.go", old: "case status >= 500:\n		return Unknown, false", new: "case status >= 500:\n		return Transient, false",
			rule: "a 5xx may come after the token was spent", by: "TestRefreshErrors"},
		{file: "internal/oauth/verdict.go", old: "status < 400, !isJSON:", new: "status < 400:",
			rule: "a page condemns no token", by: "TestRefreshErrors"},
		{file: "internal/oauth/verdict.go", old: "	return Transient, isCode(code) && !isNoVerdict(code)\n", new: "	return Permanent, false\n",
			rule: "only a verdict condemns a token", in: ".", by: "TestOnlyAVerdictCondemns"},
		{file: "internal/oauth/verdict.go", old: "isCode(code) && !isNoVerdict(code)", new: "isCode(code)",
			rule: "what is about the request condemns no token, however often it comes", in: ".", by: "TestOnlyAVerdictCondemns"},
		{file: "internal/oauth/verdict.go", old: "	case condemns(code):\n		return Permanent, false\n", new: "",
			rule: "a verdict condemns the token", by: "TestRefreshErrors"},
		{file: "internal/oauth/client.go", old: "	if b.sealed {\n		return 0, errors.New(\"the request is over\")\n	}\n", new: "",
			rule: "nothing leaves when the request is over", by: "TestNothingLeavesWhenTheRequestIsOver"},
		{file: "internal/oauth/client.go", old: "	req.GetBody = nil // without it no transport can send the body a second time\n", new: "	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(body), nil }\n",
			rule: "no transport can send the token twice", by: "TestNoTransportCanSendTheTokenTwice"},
		{file: "internal/oauth/client.go", old: "	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }\n", new: "",
			rule: "no redirect is followed with a token", by: "TestRedirectsAreNotFollowed"},
		{file: "internal/oauth/client.go", old: "	if !b.sent && b.gate != nil {", new: "	if false {",
			rule: "the gate is asked before the token leaves", by: "TestGateIsAskedBeforeTheTokenLeaves"},
		{file: "internal/oauth/client.go", old: "	case resp == nil && sent:\n		return nil, &Error{Op: op, Class: Unknown, Err: err}\n", new: "",
			rule: "a request that was cut off has an unknown outcome", by: "TestRefreshWithoutAnAnswer"},
		{file: "internal/oauth/client.go", old: "	if err == nil && a.Torn == nil && readErr != nil {\n		a.Torn = readErr\n	}\n", new: "	if err == nil && readErr != nil {\n		err = readErr\n	}\n",
			rule: "what can be read of a torn answer is used", in: ".", by: "TestAnswerWhoseConnectionBreaks"},
		{file: "internal/oauth/answer.go", old: "	a.AccessToken, a.Odd = headerText(fields[\"access_token\"])\n", new: "	if a.AccessToken, a.Odd = headerText(fields[\"access_token\"]); a.Odd != nil {\n		return nil, a.Odd\n	}\n",
			rule: "each token is judged alone", by: "TestTokensAreJudgedAlone"},
		{file: "internal/oauth/errors.go", old: "	if h.Get(\"Age\") != \"\" {\n		return time.Time{}\n	}\n", new: "",
			rule: "a cache's Date teaches no clock", by: "TestWhoTeachesTheClock"},
	}
}
