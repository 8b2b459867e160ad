package codexauth_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"codexauth"
)

func sampleRecord(t testing.TB) []byte {
	c := plantedCredential()
	c.Expiry, c.Account.ID = time.Unix(1e9, 0), "acc"
	data, err := codexauth.NewLogin("k", c).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestRecordSurvivesOnlyWhole(t *testing.T) {
	data := sampleRecord(t)
	if _, err := codexauth.DecodeRecord("k", data); err != nil {
		t.Fatal(err)
	}
	for n := range data {
		_, err := codexauth.DecodeRecord("k", data[:n])
		if !errors.Is(err, codexauth.ErrDamaged) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
	}
	for n := range data {
		flipped := bytes.Clone(data)
		flipped[n] ^= 0x10
		if _, err := codexauth.DecodeRecord("k", flipped); err == nil {
			t.Fatalf("byte %d altered, and nobody noticed", n)
		} else if strings.Contains(err.Error(), planted) {
			t.Fatalf("the error quotes the record: %v", err)
		}
	}
	for name, bad := range map[string][]byte{
		"another key": data, "zeros": make([]byte, len(data)), "longer": append(bytes.Clone(data), '\n'),
	} {
		if _, err := codexauth.DecodeRecord("other", bad); !errors.Is(err, codexauth.ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRecordOfANewerVersion(t *testing.T) {
	data := bytes.Replace(sampleRecord(t), []byte(" v1 "), []byte(" v2 "), 1)
	_, err := codexauth.DecodeRecord("k", data)
	if !errors.Is(err, codexauth.ErrNewerVersion) || errors.Is(err, codexauth.ErrDamaged) || !strings.Contains(err.Error(), "upgrade") {
		t.Errorf("error %v", err)
	}
}

func TestNoTwoRecordsAreTheSameBytes(t *testing.T) {
	rec, err := codexauth.DecodeRecord("k", sampleRecord(t))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := rec.Encode()
	b, _ := rec.Encode()
	if bytes.Equal(a, b) {
		t.Error("a store that compares bytes could not tell two writes apart")
	}
}

func FuzzRecord(f *testing.F) {
	data := sampleRecord(f)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Add([]byte("codexauth-record v2 age 3 00\nabc"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := codexauth.DecodeRecord("k", data)
		if err == nil {
			again, err := rec.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := codexauth.DecodeRecord("k", again); err != nil {
				t.Fatalf("what was read can't be written: %v", err)
			}
		} else if !errors.Is(err, codexauth.ErrDamaged) && !errors.Is(err, codexauth.ErrNewerVersion) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

// Versions that know of no announcement look for files that begin with the profile's
// hash, and remove those of logins that are not stored.
func TestOlderVersionsLeaveAWaitingLogin(t *testing.T) {
	rec, err := codexauth.DecodeRecord("k", sampleRecord(t))
	if err != nil {
		t.Fatal(err)
	}
	for seq, found := range map[uint64]bool{1: false, 2: true} {
		rec.Seq = seq
		if name := codexauth.RescueName(rec); strings.HasPrefix(name, codexauth.Hashed("k")) != found {
			t.Errorf("after %d refreshes the file is %s", seq-1, name)
		}
	}
}
