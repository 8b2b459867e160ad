//go:build !linux

package main

// randomly kills nobody: where there is no /proc, nobody tells who a child is.
func (k *killing) randomly(string) ([]verdict, error) { return nil, nil }
