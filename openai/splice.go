package openai

// memberOf returns a member's value, nil if there is none. As with every other
// reader of JSON, the last one counts.
func memberOf(object []byte, name string) []byte {
	at := placeOf(object, name)
	if at.empty() {
		return nil
	}
	return at.in(object)
}

func placeOf(object []byte, name string) (last span) {
	m := members{data: object}
	for {
		n, at, ok := m.next()
		if !ok {
			return last
		}
		if string(n) == name {
			last = at
		}
	}
}

// eachMember calls do with the members of an object, their names as they stand
// between the quotes.
func eachMember(object []byte, do func(name, value []byte)) {
	m := members{data: object}
	for {
		n, at, ok := m.next()
		if !ok {
			return
		}
		do(n, at.in(object))
	}
}

// withMember returns object with a member set to value; a nil value takes it out.
func withMember(object []byte, name string, value []byte) []byte {
	out := make([]byte, 0, len(object)+len(name)+len(value)+4)
	out = append(out, '{')
	put := func(name, value []byte) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(append(append(out, '"'), name...), `":`...)
		out = append(out, value...)
	}
	m := members{data: object}
	for {
		n, at, ok := m.next()
		if !ok {
			break
		}
		if string(n) != name {
			put(n, at.in(object))
		} else if value != nil {
			put(n, value)
			value = nil
		}
	}
	if value != nil {
		put([]byte(name), value)
	}
	return append(out, '}')
}

// each calls do with the values of an array.
func each(list []byte, do func(value []byte)) {
	if len(list) == 0 || list[0] != '[' {
		return
	}
	i := skipSpace(list, 1)
	for i < len(list) && list[i] != ']' {
		end := skipValue(list, i, maxNesting)
		if end < 0 {
			return
		}
		do(list[i:end])
		if i = skipSpace(list, end); i >= len(list) || list[i] != ',' {
			return
		}
		i = skipSpace(list, i+1)
	}
}
