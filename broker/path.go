package broker

import (
	"encoding/hex"
	"net/http"
	"strings"

	"codexauth/internal/cleantext"
)

const (
	maxPath = 1024
	// keyMark begins every key, so that one in the wrong place is recognised.
	keyMark = "codexauth_"
)

// requestPath returns the path of r, byte for byte as it was sent. Escapes, dot
// segments, empty segments and the like are refused rather than cleaned: the
// backend might read them differently from us, and net/http and httputil pass
// them on as they came. What is left has only one reading, so that r.URL.Path is
// the same text.
func requestPath(r *http.Request) (string, *refusal) {
	if !strings.HasPrefix(r.RequestURI, "/") { // absolute form, CONNECT, OPTIONS *
		return "", refuse(http.StatusBadRequest, "bad_path", "this is not a forward proxy: ask for a path, such as /v1/responses")
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if len(path) > maxPath || !plainPath(path) || path != r.URL.Path {
		return "", refuse(http.StatusBadRequest, "bad_path", "the path has escapes, empty or dot segments, or characters other than letters, digits and -._~:@")
	}
	if hasKey(query) {
		return "", refuse(http.StatusBadRequest, "key_in_query", "a key does not belong in a URL, since URLs are logged: send it in the Authorization header, and replace this one")
	}
	return path, nil
}

func plainPath(path string) bool {
	for i := range len(path) {
		c := path[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		case strings.IndexByte("-._~:@/", c) >= 0:
		default:
			return false
		}
	}
	for segment := range strings.SplitSeq(path[1:], "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return !strings.Contains(path, "//")
}

// hasKey reports whether a query carries a key of ours, or what other servers
// take for one. It reads what is malformed, too, as loosely as any server may.
func hasKey(query string) bool {
	if strings.Contains(unescaped(query), keyMark) {
		return true
	}
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		name, _, _ := strings.Cut(pair, "=")
		switch strings.ToLower(unescaped(name)) {
		case "key", "api_key", "apikey", "api-key", "token", "access_token", "authorization":
			return true
		}
	}
	return false
}

// unescaped is url.QueryUnescape that leaves alone what is no escape.
func unescaped(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			b.WriteByte(' ')
			continue
		case s[i] == '%' && i+2 < len(s):
			if c, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				b.Write(c)
				i += 2
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// maxShown is shorter than any segment that is masked.
const maxShown = 24

func maskedPath(path string) string {
	segments := strings.Split(path, "/")
	for i, segment := range segments {
		segments[i] = cleantext.Message(segment)
	}
	return strings.Join(segments, "/")
}
