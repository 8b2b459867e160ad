// Package everytext fills what a stranger may send with a text, for tests of who shows it.
package everytext

import (
	"reflect"
	"time"
)

// Fill sets every text of what into points to to text, makes one of everything that
// there may be several of, and sets numbers as large as they can be.
func Fill(into any, text string) { fill(reflect.ValueOf(into).Elem(), text) }

func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Float64:
		v.SetFloat(1e300)
	case reflect.Int, reflect.Int64:
		v.SetInt(1 << 62)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	}
}
