package memory_test

import (
	"testing"

	"codexauth"
	"codexauth/store/memory"
	"codexauth/store/storetest"
)

func newPlace(testing.TB) storetest.Place {
	s := memory.New()
	return storetest.Place{Open: func() codexauth.Store { return s }, Overwrite: s.Put}
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Place { return newPlace(t) })
}

func BenchmarkStore(b *testing.B) { storetest.Bench(b, newPlace(b)) }
