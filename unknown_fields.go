package codexauth

import (
	"encoding/json"
	"reflect"
	"strings"
)

// A record is shared by whatever versions are installed where. What a newer one
// wrote into it this one does not understand, and must not lose: each part of a
// record keeps the fields that it does not know and writes them again. Fields
// live and die with their part: those of a note go when the note does, and a
// sign-out keeps nothing but its own.

// unknown holds the fields of a JSON object that its type does not have.
type unknown struct{ fields map[string]json.RawMessage }

// keep decodes data into known, a pointer to a struct, and keeps the rest.
func (u *unknown) keep(data []byte, known any) error {
	if err := json.Unmarshal(data, known); err != nil {
		return err
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	t := reflect.TypeOf(known).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		delete(all, name)
	}
	if len(all) > 0 {
		u.fields = all
	}
	return nil
}

// join encodes known and adds what was kept.
func (u unknown) join(known any) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(u.fields) == 0 {
		return data, err
	}
	rest, err := json.Marshal(u.fields)
	switch {
	case err != nil:
		return nil, err
	case string(data) == "{}":
		return rest, nil
	}
	return append(append(data[:len(data)-1], ','), rest[1:]...), nil
}

// Each type below is encoded by its fields alone, without these methods.

func (r *record) UnmarshalJSON(data []byte) error {
	type plain record
	return r.unknown.keep(data, (*plain)(r))
}

func (r record) MarshalJSON() ([]byte, error) {
	type plain record
	return r.unknown.join((*plain)(&r))
}

func (c *storedCredential) UnmarshalJSON(data []byte) error {
	type plain storedCredential
	return c.unknown.keep(data, (*plain)(c))
}

func (c storedCredential) MarshalJSON() ([]byte, error) {
	type plain storedCredential
	return c.unknown.join((*plain)(&c))
}

func (t *tombstone) UnmarshalJSON(data []byte) error {
	type plain tombstone
	return t.unknown.keep(data, (*plain)(t))
}

func (t tombstone) MarshalJSON() ([]byte, error) {
	type plain tombstone
	return t.unknown.join((*plain)(&t))
}

func (m *whereabouts) UnmarshalJSON(data []byte) error {
	type plain whereabouts
	return m.unknown.keep(data, (*plain)(m))
}

func (m whereabouts) MarshalJSON() ([]byte, error) {
	type plain whereabouts
	return m.unknown.join((*plain)(&m))
}

func (a *arrival) UnmarshalJSON(data []byte) error {
	type plain arrival
	return a.unknown.keep(data, (*plain)(a))
}

func (a arrival) MarshalJSON() ([]byte, error) {
	type plain arrival
	return a.unknown.join((*plain)(&a))
}

func (n *note) UnmarshalJSON(data []byte) error {
	type plain note
	return n.unknown.keep(data, (*plain)(n))
}

func (n note) MarshalJSON() ([]byte, error) {
	type plain note
	return n.unknown.join((*plain)(&n))
}

func (f *refusalNote) UnmarshalJSON(data []byte) error {
	type plain refusalNote
	return f.unknown.keep(data, (*plain)(f))
}

func (f refusalNote) MarshalJSON() ([]byte, error) {
	type plain refusalNote
	return f.unknown.join((*plain)(&f))
}

func (b *backoff) UnmarshalJSON(data []byte) error {
	type plain backoff
	return b.unknown.keep(data, (*plain)(b))
}

func (b backoff) MarshalJSON() ([]byte, error) {
	type plain backoff
	return b.unknown.join((*plain)(&b))
}

func (d *doubt) UnmarshalJSON(data []byte) error {
	type plain doubt
	return d.unknown.keep(data, (*plain)(d))
}

func (d doubt) MarshalJSON() ([]byte, error) {
	type plain doubt
	return d.unknown.join((*plain)(&d))
}

func (e *knownEndpoints) UnmarshalJSON(data []byte) error {
	type plain knownEndpoints
	return e.unknown.keep(data, (*plain)(e))
}

func (e knownEndpoints) MarshalJSON() ([]byte, error) {
	type plain knownEndpoints
	return e.unknown.join((*plain)(&e))
}
