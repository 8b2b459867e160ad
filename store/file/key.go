package file

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// maxName is the greatest length of an encoded key in bytes. With a prefix it
// fits into the 255 bytes that file systems allow, and a key of up to 66 bytes
// always fits into it.
const maxName = 200

// plain are the bytes that stand for themselves in a file name. Upper-case
// letters do not, since some file systems take them for lower-case ones; nor does
// what is not ASCII, since some change its Unicode form; nor the dot, which
// Windows drops at the end. The prefix keeps names such as "con" from being
// Windows' devices.
const plain = "abcdefghijklmnopqrstuvwxyz0123456789-_"

// encodeKey returns a name that no other key has: every byte that is not plain
// becomes % and two lower-case hexadecimal digits.
func encodeKey(key string) (string, error) {
	if key == "" {
		return "", errors.New("the key is empty")
	}
	var name strings.Builder
	for i := range len(key) {
		if b := key[i]; strings.IndexByte(plain, b) >= 0 {
			name.WriteByte(b)
		} else {
			fmt.Fprintf(&name, "%%%02x", b)
		}
	}
	if name.Len() > maxName {
		return "", fmt.Errorf("the key is too long for a file name: choose one of at most %d plain letters and digits, or %d of any other bytes", maxName, maxName/3)
	}
	return name.String(), nil
}

// decodeKey is the inverse of encodeKey; false for a name that it never returns.
func decodeKey(name string) (string, bool) {
	var key []byte
	for rest := name; rest != ""; {
		if rest[0] != '%' {
			key = append(key, rest[0])
			rest = rest[1:]
			continue
		}
		if len(rest) < 3 {
			return "", false
		}
		b, err := hex.DecodeString(rest[1:3])
		if err != nil {
			return "", false
		}
		key = append(key, b[0])
		rest = rest[3:]
	}
	again, err := encodeKey(string(key))
	return string(key), err == nil && again == name
}
