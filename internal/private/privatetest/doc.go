// Package privatetest opens places to others, for tests.
package privatetest
