package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"

	"codexauth/sandbox"
)

// Two programs that share a login without talking to each other: the second one
// sends a spent token, and both are signed out.
func Example() {
	s, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	shared := s.Issue(sandbox.User{}).RefreshToken
	for range 2 {
		res, err := http.PostForm(s.URL()+"/oauth/token", url.Values{
			"grant_type": {"refresh_token"}, "refresh_token": {shared}, "client_id": {sandbox.DefaultClientID},
		})
		if err != nil {
			fmt.Println(err)
			return
		}
		res.Body.Close()
		fmt.Println(res.StatusCode)
	}
	c := s.Counters()
	fmt.Println("reuses:", c.Reuses, "logins revoked:", c.FamiliesRevoked)
	// Output:
	// 200
	// 401
	// reuses: 1 logins revoked: 1
}
