// Command hello prints a line: what the start of any Go program costs.
package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
