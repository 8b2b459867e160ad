package sandbox_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"codexauth/sandbox"
)

// A test of somebody else's client: the backend calls a tool, then fails, then
// refuses a field.
func ExampleServer_QueueAnswers() {
	s, err := sandbox.Start(sandbox.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	if err := s.QueueAnswers(`tool get_weather {"city":"Rome"}`, "text Let me see; fail overloaded"); err != nil {
		fmt.Println(err)
		return
	}
	login := s.Issue(sandbox.User{})
	ask := func(more string) string {
		body := `{"model":"gpt-5.5","store":false,"stream":true,"input":[{"role":"user","content":"Is it warm?"}]` + more + `}`
		req, err := http.NewRequest("POST", s.BackendURL()+"/responses", strings.NewReader(body))
		if err != nil {
			return err.Error()
		}
		req.Header.Set("Authorization", "Bearer "+login.AccessToken)
		req.Header.Set("chatgpt-account-id", login.AccountID)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return err.Error()
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			return err.Error()
		}
		return string(text)
	}
	fmt.Println(strings.Contains(ask(""), `"arguments":"{\"city\":\"Rome\"}"`))
	fmt.Println(strings.Contains(ask(""), "event: response.failed"))
	fmt.Println(ask(`,"temperature":1`))
	// Output:
	// true
	// true
	// {"detail":"Unsupported parameter: temperature"}
}
