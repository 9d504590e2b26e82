package webhook

import (
	"reflect"
	"strings"
	"sync"
)

// members are those that are read of a JSON object, each with what is read of
// it; nil is all of it.
type members map[string]members

var knownMembers sync.Map // by type

// readBy returns what encoding/json reads into a value.
func readBy(v any) members {
	t := reflect.TypeOf(v)
	if m, ok := knownMembers.Load(t); ok {
		return m.(members)
	}
	m := membersOf(t)
	knownMembers.Store(t, m)
	return m
}

func membersOf(t reflect.Type) members {
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return membersOf(t.Elem())
	case reflect.Struct:
		m := members{}
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			m[name] = membersOf(f.Type)
		}
		return m
	}
	return nil
}

// reduce returns the JSON text of a delivery without the members that are not
// read. These are nearly all of it, and encoding/json looks at each byte many
// times. Of text that is no object, or is broken where it is looked at, all is
// left, for the parser to judge.
func (m members) reduce(text []byte) []byte {
	start := skipSpace(text, 0)
	out, end := m.appendValue(make([]byte, 0, 1<<10), text, start)
	if end < 0 || skipSpace(text, end) != len(text) {
		return text
	}
	return out
}

// appendValue adds what is read of the value at i to out and returns where the
// value has ended, -1 where it is broken.
func (m members) appendValue(out, text []byte, i int) ([]byte, int) {
	switch {
	case m != nil && i < len(text) && text[i] == '{':
		return m.appendObject(out, text, i)
	case m != nil && i < len(text) && text[i] == '[':
		return m.appendArray(out, text, i)
	}
	end := skipValue(text, i)
	if end < 0 {
		return out, -1
	}
	return append(out, text[i:end]...), end
}

func (m members) appendObject(out, text []byte, i int) ([]byte, int) {
	out = append(out, '{')
	empty := true
	for i = skipSpace(text, i+1); i < len(text) && text[i] == '"'; {
		from := i
		if i = skipValue(text, i); i < 0 {
			return out, -1
		}
		name := text[from:i]
		if i = skipSpace(text, i); i >= len(text) || text[i] != ':' {
			return out, -1
		}
		i = skipSpace(text, i+1)
		if inner, read := m[string(name[1:len(name)-1])]; read {
			if !empty {
				out = append(out, ',')
			}
			empty = false
			out, i = inner.appendValue(append(append(out, name...), ':'), text, i)
		} else {
			i = skipValue(text, i)
		}
		if i < 0 {
			return out, -1
		}
		if i = skipSpace(text, i); i >= len(text) || text[i] != ',' {
			break
		}
		i = skipSpace(text, i+1)
	}
	if i >= len(text) || text[i] != '}' {
		return out, -1
	}
	return append(out, '}'), i + 1
}

// appendArray reduces the objects of an array; an array in it is left whole,
// so that no depth of them is a depth of calls.
func (m members) appendArray(out, text []byte, i int) ([]byte, int) {
	out = append(out, '[')
	for i = skipSpace(text, i+1); i < len(text) && text[i] != ']'; {
		inner := m
		if text[i] == '[' {
			inner = nil
		}
		if out, i = inner.appendValue(out, text, i); i < 0 {
			return out, -1
		}
		if i = skipSpace(text, i); i < len(text) && text[i] == ',' {
			out = append(out, ',')
			i = skipSpace(text, i+1)
		} else {
			break
		}
	}
	if i >= len(text) || text[i] != ']' {
		return out, -1
	}
	return append(out, ']'), i + 1
}
