// Package hint has errors that know what to do about them.
package hint

import "fmt"

// A UsageError is a command line that can't be meant.
type UsageError struct{ message, Hint string }

func (e *UsageError) Error() string { return e.message }

// Usage is a [UsageError] that says message, with what to do about it.
func Usage(message, hint string) error { return &UsageError{message, hint} }

// Usagef is a [UsageError] that needs no hint.
func Usagef(format string, args ...any) error {
	return &UsageError{message: fmt.Sprintf(format, args...)}
}

// An Error is an error of ours that knows what to do about it.
type Error struct {
	error
	Hint string
}

// With is err with what to do about it.
func With(err error, hint string) error { return &Error{err, hint} }

func (e *Error) Unwrap() error { return e.error }
