package rotator

import (
	"errors"
	"strings"
	"testing"

	"codexauth"
)

// A child that ends before it has begun is no codexauth that can run: its work is
// done here. One that has begun may have spent the token.
func TestChildSaysNothing(t *testing.T) {
	for said, want := range map[string]error{
		"":                         errors.ErrUnsupported,
		"codexauth is being moved": errors.ErrUnsupported,
		`{"began":true}`:           codexauth.ErrUnknownOutcome,
		`{"began":true}{"mess`:     codexauth.ErrUnknownOutcome,
		`{"began":true}{}`:         nil,
		`{}`:                       nil, // an older one
		`{"began":true}{"message":"no","kinds":["busy"]}`: codexauth.ErrBusy,
		`{"message":"no","kinds":["busy"]}`:               codexauth.ErrBusy,
	} {
		c := &child{pid: 4711, began: make(chan struct{})}
		if err := c.read(strings.NewReader(said)); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", said, err, want)
		}
	}
}
