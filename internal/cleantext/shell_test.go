package cleantext

import "testing"

// A hint can be pasted, whatever a profile or a file is called.
func TestShellQuote(t *testing.T) {
	if got := ShellQuote("it's $HOME"); got != `'it'\''s $HOME'` {
		t.Error(got)
	}
	if got := PowerShellQuote("it's ’$HOME’"); got != "'it''s ’’$HOME’’'" {
		t.Error(got)
	}
	for in, want := range map[string][2]string{ // a POSIX shell, cmd and PowerShell
		"work": {"work", "work"}, "": {"''", `""`}, "a b": {"'a b'", `"a b"`}, "$x": {"'$x'", "'$x'"}, "~": {"'~'", `"~"`},
		`C:\x y`: {`'C:\x y'`, `"C:\x y"`}, `C:\x`: {`'C:\x'`, `C:\x`}, `a&b`: {`'a&b'`, `"a&b"`}, "%x%": {"%x%", "%x%"},
	} {
		if got := [2]string{wordFor("linux", in), wordFor("windows", in)}; got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
