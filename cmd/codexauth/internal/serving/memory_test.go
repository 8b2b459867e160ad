package serving

import "testing"

func TestByteSize(t *testing.T) {
	for text, want := range map[string]int64{"0": 0, "1": 1, "512k": 512 << 10, "64m": 64 << 20, "64MiB": 64 << 20, "64MB": 64 << 20, "1g": 1 << 30, "10b": 10} {
		var b ByteSize
		if err := b.Set(text); err != nil || int64(b) != want {
			t.Errorf("%s: %d, %v", text, b, err)
		}
	}
	for _, text := range []string{"", "m", "-1", "1.5m", "64 m", "64t", "9999999999g", "1km"} {
		var b ByteSize
		if err := b.Set(text); err == nil {
			t.Errorf("%q is %d", text, b)
		}
	}
	if ByteSize(0).memory() != nil {
		t.Error("0 remembers")
	}
}
