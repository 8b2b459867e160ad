package broker

import (
	"net/http"
	"net/url"
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
		return "", refuse(http.StatusBadRequest, "bad_path", "ask for a path, such as /v1/responses: this is no forward proxy")
	}
	path, query, _ := strings.Cut(r.RequestURI, "?")
	if len(path) > maxPath || !plainPath(path) || path != r.URL.Path {
		return "", refuse(http.StatusBadRequest, "bad_path", "the path has escapes, empty or dot segments, or characters other than letters, digits and -._~:@")
	}
	if hasKey(query) {
		return "", refuse(http.StatusBadRequest, "key_in_query", "a key does not belong into a URL, which gets logged: send it in the header Authorization, and replace this one")
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
// take for one.
func hasKey(query string) bool {
	if query == "" {
		return false
	}
	values, err := url.ParseQuery(query)
	if err != nil || strings.Contains(query, keyMark) {
		return true // what can't be read might be one
	}
	for name := range values {
		switch strings.ToLower(name) {
		case "key", "api_key", "apikey", "api-key", "token", "access_token", "authorization":
			return true
		}
	}
	return strings.Contains(strings.Join(flatten(values), "\n"), keyMark)
}

func flatten(values url.Values) (all []string) {
	for name, list := range values {
		all = append(append(all, name), list...)
	}
	return all
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
