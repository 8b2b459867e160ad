package sandbox

// TB is the part of testing.TB that [New] needs; a *testing.T is one. It stands
// here so that a program that embeds a sandbox does not link package testing.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// New starts a sandbox that ends with the test. A failure to start fails the test.
func New(t TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(cfg)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Fatalf("close the sandbox: %v", err)
		}
	})
	return s
}
