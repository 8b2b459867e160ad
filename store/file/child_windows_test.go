package file

// playChild does nothing: the tests with hardships need Unix.
func playChild() {}
