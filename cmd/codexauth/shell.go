package main

import "strings"

// shellWord quotes s for a POSIX shell if it has to be.
func shellWord(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:@%+="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return shellQuote(s)
}

// shellQuote puts s into single quotes, in which a POSIX shell takes everything
// as it is.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
