package address

import "testing"

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "LocalHost": true, "127.0.0.1": true, "127.9.9.9": true, "::1": true, "::ffff:127.0.0.1": true,
		"[::1]": true, "[::ffff:127.0.0.1]": true, "[::1": false, "::1]": false, "[[::1]]": false, "[::1]:80": false, "[::]": false,
		"[127.0.0.1]": false, "[localhost]": false, "[]": false, "[::1%eth0]": false,
		"": false, "0.0.0.0": false, "::": false, "192.0.2.1": false, "::1%eth0": false, "127.1": false,
		"localhost.example": false, "127.0.0.1.example": false, "localhost.": false, "127.0.0.1:80": false,
	} {
		if Loopback(host) != want {
			t.Errorf("%q: %t", host, !want)
		}
	}
}
