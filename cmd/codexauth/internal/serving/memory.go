package serving

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"codexauth/openai"
)

const (
	rememberBytes = 64 << 20
	rememberFor   = time.Hour
)

// A ByteSize is a number of bytes that may be given in KiB, MiB or GiB.
type ByteSize int64

var errByteSize = errors.New("write a number of bytes, such as 64m, 512k or 0")

func (b *ByteSize) Set(text string) error {
	number := strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(text), "b"), "i")
	shift := 0
	for i, unit := range []string{"k", "m", "g"} {
		if without, ok := strings.CutSuffix(number, unit); ok {
			number, shift = without, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 || n > 1<<40>>shift {
		return errByteSize
	}
	*b = ByteSize(n << shift)
	return nil
}

func (b *ByteSize) String() string {
	if n := int64(*b); n > 0 && n%(1<<20) == 0 {
		return strconv.FormatInt(n>>20, 10) + "m"
	}
	return strconv.FormatInt(int64(*b), 10)
}

func (b *ByteSize) Type() string { return "size" }

// RememberFlag defines --remember of a command that runs a broker.
func RememberFlag(f *pflag.FlagSet, b *ByteSize) {
	*b = rememberBytes
	f.Var(b, "remember", "how much memory remembered answers may take, each kept for an hour for programs that refer to it instead of sending it again: a `SIZE` such as 16m; 0 turns it off")
}

func (b ByteSize) memory() *openai.Memory { return openai.NewMemory(int64(b), rememberFor) }
