package broker

import (
	"net/http"
	"strings"
)

// forClientOnly takes out of the backend's answer what is not for the client.
func forClientOnly(h http.Header) {
	for name := range h {
		if !forClient(name) {
			delete(h, name)
		}
	}
}

// forClient reports whether a header of the backend's answer may pass. Cookies
// are between the backend and us, and what a browser would take for an order
// about our origin is not the backend's to give.
func forClient(name string) bool {
	switch name {
	case "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "Location", "Refresh", "Nel", "Report-To":
		return false
	}
	return !strings.HasPrefix(name, "Access-Control-")
}

// forBackend reports whether a header of the client's request may pass. Those
// about one connection are gone already.
func forBackend(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Cookie2", "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "X-Client-Ip",
		"X-Api-Key", "Api-Key", "Expect", "Origin", "Referer":
		return false
	case "Chatgpt-Account-Id", "X-Openai-Fedramp":
		return false // the Manager's to say
	case "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions":
		return true
	}
	return !strings.HasPrefix(name, "X-Forwarded-") && !strings.HasPrefix(name, "Cf-") && !strings.HasPrefix(name, "Sec-")
}
