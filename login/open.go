package login

import "codexauth/internal/browser"

// OpenBrowser opens an http or https URL in the person's web browser: with the programs
// in $BROWSER, if that is set, else with the system's opener. It is made for
// [Browser.Open]. It returns nil once one has succeeded, or has run for a second.
func OpenBrowser(url string) error { return browser.Open(url) }

// CanOpenBrowser guesses whether OpenBrowser makes sense: not over SSH, whose browser
// would be on the wrong machine, and not without a display, unless $BROWSER says how.
func CanOpenBrowser() bool { return browser.Available() }
