package main

import (
	"errors"
	"testing"
)

// The token command stands in a tree of its own, and is the same there.
func TestTokenIsTheSameInATreeOfItsOwn(t *testing.T) {
	whole, alone := testApp().rootCommand(), testApp().rootFor([]string{"token"})
	if n, all := len(alone.Commands()), len(whole.Commands()); n != 1 || all < 15 {
		t.Fatalf("the trees have %d and %d commands", n, all)
	}
	for _, args := range [][]string{{"token", "export"}, {"token", "--profile"}, {"token", "--wrong"}} {
		whole.SetArgs(args)
		alone.SetArgs(args)
		if among, own := whole.Execute(), alone.Execute(); among == nil || own == nil || among.Error() != own.Error() {
			t.Errorf("%v fails with %q, and among the other commands with %q", args, own, among)
		}
	}
	among, _, err := whole.Find([]string{"token"})
	own, _, err2 := alone.Find([]string{"token"})
	if err = errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if was, is := among.LocalFlags().FlagUsages(), own.LocalFlags().FlagUsages(); is != was || own.Long != among.Long {
		t.Errorf("its flags are\n%s\nand among the other commands\n%s", is, was)
	}
}
