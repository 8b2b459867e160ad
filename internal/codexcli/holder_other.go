//go:build !linux

package codexcli

func holder(string) string { return someone }
