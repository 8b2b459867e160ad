package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"codexauth/cmd/codexauth/internal/run"
)

// A release is built with these (-ldflags -X): its version, and its day as 2006-01-02.
var stamped, released string

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version of this binary",
		Example: "  codexauth version --json",
		Args:    run.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return a.printVersion() },
	}
}

// version is that of this binary: a release's, or what Go knows of the module.
func version() string {
	if stamped != "" {
		return stamped
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

func (a *app) printVersion() error {
	if a.Flags.JSON {
		return a.PrintJSON(struct {
			Version string `json:"version"`
			Go      string `json:"go"`
			OS      string `json:"os"`
			Arch    string `json:"arch"`
		}{version(), runtime.Version(), runtime.GOOS, runtime.GOARCH})
	}
	return a.Print(fmt.Sprintf("codexauth %s %s %s/%s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
}
