package oauth

import (
	"net/http"
	"strings"

	"codexauth/internal/cleantext"
)

// condemns reports whether a code condemns a refresh token. Such codes are about the token
// or its session, and no second attempt can end otherwise. What is missing here
// costs some minutes of asking again; what does not belong here costs a login.
func condemns(code string) bool {
	switch code {
	case CodeExpired, CodeReused, CodeInvalidated, CodeInvalidGrant,
		"refresh_token_revoked", "refresh_token_invalid", "refresh_token_not_found",
		"invalid_refresh_token", "bad_refresh_token",
		"token_expired", "token_revoked", "token_invalidated", "token_invalid", "invalid_token",
		"app_session_terminated", "session_terminated", "session_expired", "session_revoked",
		"session_invalidated", "session_not_found":
		return true
	}
	return false
}

// isNoVerdict reports whether a code is known to say nothing about the token: it
// is about the client, the request, the way here or the moment.
func isNoVerdict(code string) bool {
	switch code {
	case "invalid_client", "unauthorized_client", "invalid_request", "unsupported_grant_type", "invalid_scope",
		"invalid_request_error", // the service's type of an error, where it gives no code
		"ip_blocked", "unsupported_country", "unsupported_country_region_territory", "access_denied",
		"unauthorized", "forbidden", "authentication_required", "proxy_authentication_required":
		return true
	}
	return passes(code)
}

// passes reports whether a code says that the same request may succeed later.
func passes(code string) bool {
	switch code {
	case "temporarily_unavailable", "slow_down", "rate_limit_exceeded", "rate_limited", "too_many_requests",
		"service_unavailable", "overloaded", "server_overloaded":
		return true
	}
	return false
}

// classify is the table of what a refresh's answer means. Only a verdict condemns
// a token: neither a gateway's page or JSON does, nor an error of the client. A
// code that nobody knows is unclear: it condemns when it has come again and again.
func classify(status int, code string, isJSON bool) (c Class, unclear bool) {
	switch {
	case status >= 500:
		return Unknown, false // a 502 can come after the token was spent
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status < 400, !isJSON:
		return Transient, false
	case status != http.StatusUnauthorized && status != http.StatusBadRequest:
		return Invalid, false
	case condemns(code):
		return Permanent, false
	case code == codeServerError:
		return Unknown, false
	case passes(code):
		return Transient, false
	case status == http.StatusBadRequest:
		return Invalid, false
	}
	return Transient, isCode(code) && !isNoVerdict(code)
}

// isCode reports whether what stands in a code's place is one, and neither a
// sentence nor the status once more.
func isCode(code string) bool {
	return strings.Trim(code, "0123456789") != "" && !strings.ContainsFunc(code, notOfACode)
}

// codeServerError is RFC 6749's way to say 500 where a redirect can't.
const codeServerError = "server_error"

// shownCode makes an error code fit to be shown. A code is words; a run that has
// no word's shape may be a token that a server echoed, and is masked.
func shownCode(code string) string {
	code = strings.ToLower(cleantext.Line(code))
	if len(code) <= maxCode && !strings.ContainsFunc(code, notOfACode) && hasWords(code) {
		return code
	}
	return cleantext.Message(code)
}

const (
	maxCode = 80
	maxWord = 20 // characters
)

func notOfACode(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.:", r)
}

// hasWords: letters in runs as long as words are, few digits.
func hasWords(code string) bool {
	digits := 0
	for word := range strings.FieldsFuncSeq(code, func(r rune) bool { return strings.ContainsRune("_-.:", r) }) {
		if len(word) > maxWord {
			return false
		}
		digits += len(word) - len(strings.TrimFunc(word, func(r rune) bool { return r >= '0' && r <= '9' }))
		if strings.ContainsAny(strings.Trim(word, "0123456789"), "0123456789") {
			return false // digits within a word
		}
	}
	return digits <= 8
}
