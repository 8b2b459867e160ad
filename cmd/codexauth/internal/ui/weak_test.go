package ui

import "testing"

func TestWeakness(t *testing.T) {
	for text, want := range map[string]string{
		"Password":                     "it is among the first guesses",
		"passphrase2026!":              "it is among the first guesses",
		"123456":                       "its characters follow one another",
		"12345678901234567890":         "it repeats itself",
		"1234567890":                   "its characters follow one another",
		"zyxwvutsrqponmlk":             "its characters follow one another",
		"aaaaaaaaaaaaaaaaaaaa":         "it repeats itself",
		"tigertigertiger":              "it repeats itself",
		"Kq3!x":                        "it is short",
		"äöüß":                         "it is short",
		"":                             "it is short",
		"seven crates of loud oranges": "",
		"mx7Rk2pQv9sT":                 "",
		"aaaaaaaaaaab":                 "",
	} {
		if got := Weakness([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
