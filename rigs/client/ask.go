package main

import (
	"fmt"
	"io"
	"time"

	"codexauth"
)

// ask asks the backend at path again and again, as a program with Manager.Client
// does, and prints how often each status was the answer. An error is a status, too.
func ask(m *codexauth.Manager, path string, length time.Duration) {
	client := m.Client()
	answers := map[string]int{}
	for end := time.Now().Add(length); ; time.Sleep(50 * time.Millisecond) {
		resp, err := client.Get(m.BackendURL() + path)
		if err != nil {
			answers[fmt.Sprintf("%q", err.Error())]++
		} else {
			_, _ = io.Copy(io.Discard, resp.Body) // only its status counts
			resp.Body.Close()
			answers[fmt.Sprint(resp.StatusCode)]++
		}
		if time.Now().After(end) {
			break
		}
	}
	for answer, n := range answers {
		fmt.Println(answer, n)
	}
}
