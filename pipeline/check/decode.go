package check

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/token"
)

// A fieldError is what is wrong with one field of a check.
type fieldError struct {
	path    string
	at      *token.Token // nil where no document was read
	message string
}

func (e *fieldError) Error() string {
	if e.path == "" {
		return e.message
	}
	return e.path + ": " + e.message
}

// A composite is a field type that takes more than one form.
type composite interface {
	decode(d *decoder, path string, n node)
}

// A decoder fills the tagged fields of a struct from a node: `check:"url,required"`.
// It goes on after an error, so that all are reported.
type decoder struct {
	find   lookup
	strict bool   // an undefined variable is an error; else what holds one fits every field
	source string // where variables come from, for messages
	open   bool   // a field still holds an undefined variable
	errs   []error
}

func (d *decoder) fail(path string, at *token.Token, format string, args ...any) {
	d.errs = append(d.errs, &fieldError{path, at, fmt.Sprintf(format, args...)})
}

func (d *decoder) err() error { return errors.Join(d.errs...) }

// fields decodes a table into a struct. Names in also are known, but not
// decoded here.
func (d *decoder) fields(path string, n node, v reflect.Value, also ...string) {
	if n.kind != aTable {
		d.fail(path, n.at, "want a table of fields, not %s", n.kind)
		return
	}
	known := append([]string(nil), also...)
	byName := make(map[string]reflect.Value)
	for i := range v.NumField() {
		name, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("check"), ",")
		if name == "" {
			continue
		}
		byName[name] = v.Field(i)
		known = append(known, name)
		if option == "required" && n.get(name).kind == nothing {
			d.fail(path, n.at, "the field %q is missing", name)
		}
	}
	for _, e := range n.table {
		if field, ok := byName[e.key]; ok {
			d.value(join(path, e.key), e.value, field)
		} else {
			d.fail(path, e.at, "unknown field %q: %s", e.key, Suggest(e.key, known))
		}
	}
}

func (d *decoder) value(path string, n node, v reflect.Value) {
	if n.kind == nothing {
		d.fail(path, n.at, "has no value; write '' for an empty one")
		return
	}
	if c, ok := v.Addr().Interface().(composite); ok {
		c.decode(d, path, n)
		return
	}
	switch {
	case v.Type() == reflect.TypeFor[text]() || isScalar(v):
		d.scalar(path, n, v)
	case v.Kind() == reflect.Slice:
		d.items(path, n, v)
	case v.Kind() == reflect.Map:
		d.entries(path, n, v)
	case v.Kind() == reflect.Struct:
		d.fields(path, n, v)
	default:
		d.scalar(path, n, v)
	}
}

// items decodes a list. A single value is a list of one; a variable may hold
// several, separated by commas or blanks, but where they are free text.
func (d *decoder) items(path string, n node, v reflect.Value) {
	list := n.list
	switch n.kind {
	case aTable:
		d.fail(path, n.at, "want a list, not a table")
		return
	case aScalar:
		list = []node{n}
		if of := v.Type().Elem(); of != reflect.TypeFor[text]() && of != reflect.TypeFor[pattern]() {
			list = d.split(n)
		}
	}
	for i, item := range list {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, strconv.Itoa(i)), item, element)
		v.Set(reflect.Append(v, element))
	}
	if v.Len() == 0 && n.kind == aScalar {
		d.fail(path, n.at, "is empty")
	}
}

func (d *decoder) entries(path string, n node, v reflect.Value) {
	if n.kind != aTable {
		d.fail(path, n.at, "want a table, not %s", n.kind)
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for _, e := range n.table {
		element := reflect.New(v.Type().Elem()).Elem()
		d.value(join(path, e.key), e.value, element)
		v.SetMapIndex(reflect.ValueOf(e.key), element)
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
