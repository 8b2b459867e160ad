package hint

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

// A hint is found wherever it stands in an error, and hides nothing of it.
func TestHint(t *testing.T) {
	err := fmt.Errorf("export: %w", With(fmt.Errorf("there is no place: %w", fs.ErrNotExist), "make it first"))
	var hinted *Error
	if !errors.As(err, &hinted) || hinted.Hint != "make it first" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, %+v", err, hinted)
	}
	var usage *UsageError
	if errors.As(err, &usage) {
		t.Error("it is taken for a mistake on the command line")
	}
	err = fmt.Errorf("import: %w", Usage("a and b exclude each other", "leave one of them out"))
	if !errors.As(err, &usage) || usage.Hint != "leave one of them out" || err.Error() != "import: a and b exclude each other" {
		t.Errorf("%v, %+v", err, usage)
	}
	if err := Usagef("--%s is empty", "store"); !errors.As(err, &usage) || usage.Hint != "" || err.Error() != "--store is empty" {
		t.Errorf("%v, %+v", err, usage)
	}
}
