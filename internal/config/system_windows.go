package config

const nonBlocking = 0

func readOnly(string) bool { return false }
