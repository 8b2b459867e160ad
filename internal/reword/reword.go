// Package reword gives an error a text of its own.
package reword

// As is an error that says text and wraps err.
func As(text string, err error) error { return &reworded{text, err} }

type reworded struct {
	text string
	err  error
}

func (e *reworded) Error() string { return e.text }
func (e *reworded) Unwrap() error { return e.err }
