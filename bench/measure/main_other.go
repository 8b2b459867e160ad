//go:build !unix

// Command measure runs on Unix only.
package main

func main() { panic("measure runs on Unix only") }
