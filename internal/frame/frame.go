// Package frame is the first line of a stored record, which says what follows:
//
//	codexauth-record v1 json LENGTH SHA256\n{…}
//
// Length and checksum are there because a disk can lose bytes without an error. A
// reader refuses a version that it does not know.
package frame

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	magic   = "codexauth-record"
	version = 1

	// JSON is the format of a body that is not sealed; every other one is a Sealer's.
	JSON = "json"
)

var (
	// ErrDamaged: what is stored is torn or altered, or is no record.
	ErrDamaged = errors.New("the stored record is damaged")
	// ErrNewerVersion: a newer codexauth wrote it.
	ErrNewerVersion = errors.New("the stored record was written by a newer codexauth")
)

// Wrap puts the first line before a body of that format.
func Wrap(format string, body []byte) []byte {
	sum := sha256.Sum256(body)
	head := fmt.Sprintf("%s v%d %s %d %s\n", magic, version, format, len(body), hex.EncodeToString(sum[:]))
	return append([]byte(head), body...)
}

// Unwrap undoes Wrap. Its errors say what is wrong and never quote the record.
func Unwrap(data []byte) (format string, body []byte, err error) {
	if len(data) == 0 {
		return "", nil, fmt.Errorf("%w: it is empty", ErrDamaged)
	}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	fields := strings.Fields(string(head[:min(len(head), 200)]))
	if !ok || len(fields) < 2 || fields[0] != magic {
		return "", nil, fmt.Errorf("%w: it does not begin like a record", ErrDamaged)
	}
	if v, err := strconv.Atoi(strings.TrimPrefix(fields[1], "v")); err == nil && v > version {
		return "", nil, fmt.Errorf("%w (format %d; this one reads %d); upgrade codexauth", ErrNewerVersion, v, version)
	} else if err != nil || v != version || len(fields) != 5 {
		return "", nil, fmt.Errorf("%w: its first line can't be read", ErrDamaged)
	}
	if n, err := strconv.Atoi(fields[3]); err != nil || n != len(body) {
		return "", nil, fmt.Errorf("%w: %d bytes of %s are there (a torn write?)", ErrDamaged, len(body), fields[3])
	}
	sum := sha256.Sum256(body)
	if subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(fields[4])) != 1 {
		return "", nil, fmt.Errorf("%w: its checksum does not match", ErrDamaged)
	}
	return fields[2], body, nil
}

// Sealed reports whether a stored record is sealed, without opening it.
func Sealed(data []byte) bool {
	format, _, err := Unwrap(data)
	return err == nil && format != JSON
}
