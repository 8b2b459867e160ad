//go:build !linux && !darwin

package process

// NewWitness makes none: in a store that machines share, nobody is taken for certainly
// dead here, and whoever died there is waited for.
func NewWitness() Witness { return Witness{} }

func left(string) bool { return false }
