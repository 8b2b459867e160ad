package ui

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// shortest is how many characters a passphrase has that is not called short. Whoever
// has a copy of what it seals can try some hundred a second and machine, for years.
const shortest = 12

// Weakness says why a passphrase is easily guessed; "" if nothing tells. It is advice:
// who types it decides.
func Weakness(passphrase []byte) string {
	text := strings.ToLower(string(passphrase))
	switch {
	case isCommon(text):
		return "it is among the first guesses"
	case repeats(text):
		return "it repeats itself"
	case inOrder(text):
		return "its characters follow one another"
	case utf8.RuneCountInString(text) < shortest:
		return "it is short"
	}
	return ""
}

// isCommon reports whether text is a word of the lists, with digits and marks behind it
// or not.
func isCommon(text string) bool {
	bare := strings.TrimRight(text, "0123456789!.?_-")
	return slices.Contains([]string{
		"abc", "access", "admin", "changeme", "chatgpt", "codex", "codexauth", "default", "dragon", "football", "guest", "iloveyou", "letmein",
		"login", "master", "monkey", "openai", "openai-codex", "pass", "passphrase", "password", "passwort", "passw0rd", "qwerty", "qwertyuiop",
		"asdfghjkl", "qwertz", "root", "secret", "sunshine", "superman", "test", "trustno", "user", "welcome",
		"correct horse battery staple", "correcthorsebatterystaple",
	}, bare)
}

// repeats reports whether text is one part over and over.
func repeats(text string) bool {
	for n := 1; n <= len(text)/2; n++ {
		if len(text)%n == 0 && strings.Repeat(text[:n], len(text)/n) == text {
			return true
		}
	}
	return false
}

// inOrder reports whether each character is the next one, or the one before.
func inOrder(text string) bool {
	if len(text) < 3 {
		return false
	}
	step := int(text[1]) - int(text[0])
	if step != 1 && step != -1 {
		return false
	}
	for i := 1; i < len(text); i++ {
		if next := int(text[i]) - int(text[i-1]); next != step && !(step == 1 && text[i-1] == '9' && text[i] == '0') {
			return false
		}
	}
	return true
}
