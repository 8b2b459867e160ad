package qr

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"rsc.io/qr"
)

// lit reads what was drawn back into rows of lit modules.
func lit(t *testing.T, drawn string) [][]bool {
	t.Helper()
	var rows [][]bool
	for line := range strings.Lines(drawn) {
		var upper, lower []bool
		for _, r := range strings.TrimSuffix(line, "\n") {
			if !strings.ContainsRune("█▀▄ ", r) {
				t.Fatalf("%q in %q", r, line)
			}
			upper = append(upper, r == '█' || r == '▀')
			lower = append(lower, r == '█' || r == '▄')
		}
		rows = append(rows, upper, lower)
	}
	return rows
}

func TestWriteDrawsTheCode(t *testing.T) {
	for _, text := range []string{"A", "https://auth.example/codex/device?user_code=ABCD-1234", strings.Repeat("https://auth.example/?x=%20&", 20)} {
		var b bytes.Buffer
		code, err := qr.Encode(text, qr.L)
		if err != nil {
			t.Fatal(err)
		}
		for width, margin := range map[int]int{0: 4, code.Size + 8: 4, code.Size + 7: 2, code.Size + 4: 2} {
			b.Reset()
			if err := Write(&b, text, Options{Width: width}); err != nil {
				t.Fatal(err)
			}
			checkDrawn(t, lit(t, b.String()), code, margin)
		}
	}
}

func checkDrawn(t *testing.T, rows [][]bool, code *qr.Code, margin int) {
	t.Helper()
	side := code.Size + 2*margin
	if len(rows) != side+1 { // sizes are odd, and two rows share a line
		t.Fatalf("%d rows for a side of %d", len(rows), side)
	}
	for y, row := range rows {
		if len(row) != side {
			t.Fatalf("row %d has %d modules, want %d", y, len(row), side)
		}
		for x, on := range row {
			if want := y < side && !code.Black(x-margin, y-margin); on != want {
				t.Fatalf("module %d, %d is lit: %v", x, y, on)
			}
		}
	}
}

// With colours the same modules are drawn, and every line sets and resets them.
func TestWriteInColor(t *testing.T) {
	var plain, color bytes.Buffer
	if err := errors.Join(Write(&plain, "text", Options{}), Write(&color, "text", Options{Color: true})); err != nil {
		t.Fatal(err)
	}
	const on, off = "\x1b[38;5;231;48;5;16m", "\x1b[0m\n"
	for line := range strings.Lines(color.String()) {
		if !strings.HasPrefix(line, on) || !strings.HasSuffix(line, off) {
			t.Errorf("line %q", line)
		}
	}
	if strings.NewReplacer(on, "", off, "\n").Replace(color.String()) != plain.String() {
		t.Error("the colours change the code")
	}
	if strings.Contains(plain.String(), "\x1b") {
		t.Error("an escape sequence where none is allowed")
	}
}

func TestWriteRefuses(t *testing.T) {
	var b bytes.Buffer
	var narrow *WidthError
	if err := Write(&b, "text", Options{Width: 24}); !errors.As(err, &narrow) || narrow.Need != 25 || narrow.Have != 24 || b.Len() != 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
	if err := Write(&b, "text", Options{Width: 25}); err != nil || b.Len() == 0 {
		t.Errorf("a code that just fits: %v", err)
	}
	b.Reset()
	if err := Write(&b, strings.Repeat("x", 2954), Options{}); err == nil || b.Len() != 0 {
		t.Errorf("%v, %d bytes written", err, b.Len())
	}
	if err := Write(io.Discard, strings.Repeat("x", 2953), Options{}); err != nil {
		t.Error(err)
	}
	r, w := io.Pipe()
	r.Close()
	if err := Write(w, "text", Options{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}
