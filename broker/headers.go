package broker

import (
	"net/http"
	"slices"
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
	case "Set-Cookie", "Set-Cookie2", "Alt-Svc", "Strict-Transport-Security", "Clear-Site-Data", "Location", "Refresh", "Nel", "Report-To", requestIDHeader:
		return false
	}
	return !strings.HasPrefix(name, "Access-Control-")
}

// forBackend reports whether a header of the client's request may pass. Those
// about one connection are gone already. What some servers take for another
// address, path, host or method than the request's own is not the client's to
// say: the broker has checked the request as it stands.
func forBackend(name string) bool {
	switch name {
	case "Authorization", "Cookie", "Cookie2", "Forwarded", "Via", "X-Real-Ip", "True-Client-Ip", "X-Client-Ip", "X-Cluster-Client-Ip",
		"X-Api-Key", "Api-Key", "Expect", "Origin", "Referer", "X-Host", "Content-Location":
		return false
	case "Chatgpt-Account-Id", "X-Openai-Fedramp":
		return false // the Manager's to say
	case "Sec-Websocket-Key", "Sec-Websocket-Version", "Sec-Websocket-Protocol", "Sec-Websocket-Extensions":
		return true
	case "Session_id", "Conversation_id", "Thread_id":
		return true // the official command line's, by which the backend finds its cache
	}
	return plainName(name) && !hasPrefixOf(name, "X-Forwarded", "X-Original-", "X-Rewrite-", "X-Http-Method", "X-Method-Override",
		"X-Envoy-", "Cf-", "Sec-")
}

// plainName reports whether a header's name has only one reading. Many servers
// take X_Forwarded_For, and some X.Forwarded.For, for X-Forwarded-For.
func plainName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	})
}

func hasPrefixOf(name string, prefixes ...string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}
