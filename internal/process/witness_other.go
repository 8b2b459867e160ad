//go:build !linux && !darwin

package process

// NewWitness makes none where nobody is taken for certainly dead.
func NewWitness() Witness { return Witness{} }

func left(string) bool { return false }
