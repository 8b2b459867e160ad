// Package moving brings a login to another place, under another key, name or owner:
// between stores and profiles, and from and to the files of other tools. A login is
// moved, not copied, since its refresh token can be used once.
package moving

import "codexauth/cmd/codexauth/internal/run"

// app is one run of the command line, as what moves a login sees it.
type app struct{ *run.Run }
