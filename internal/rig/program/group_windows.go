package program

import "os/exec"

// OwnGroup does nothing here.
func OwnGroup(*exec.Cmd) {}
