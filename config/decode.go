package config

import (
	"net/netip"
	"reflect"
	"strconv"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// A nodeDecoder reads itself.
type nodeDecoder interface {
	decodeNode(d *document, n ast.Node, path string)
}

// A keyed field spans several keys: a secret is given as x, x_file or x_env.
type keyed interface {
	forms() []string // what follows the field's name in each key
	decodeForm(d *document, form string, n ast.Node, path string)
}

// A defaulter starts from other values than zero.
type defaulter interface{ setDefaults() }

// structure decodes a mapping into a struct by its yaml tags.
func (d *document) structure(n ast.Node, path string, into reflect.Value) {
	known := fieldsOf(into)
	for _, e := range d.entries(n, path) {
		at := join(path, e.key)
		d.lines[at] = e.line
		f, ok := known[e.key]
		switch {
		case !ok:
			d.fail(at, suggest(e.key, keysOf(known)), "unknown key")
		case f.keyed != nil:
			f.keyed.decodeForm(d, f.form, e.value, at)
		case !d.null(e.value): // a key with nothing behind it keeps its default
			d.value(e.value, at, f.value)
		}
	}
}

func (d *document) value(n ast.Node, path string, into reflect.Value) {
	if custom, ok := into.Addr().Interface().(nodeDecoder); ok {
		custom.decodeNode(d, n, path)
		return
	}
	switch into.Addr().Interface().(type) {
	case *time.Duration, *netip.Prefix:
		d.text(n, path, into)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		d.value(n, path, allocate(into))
	case reflect.Struct:
		d.structure(n, path, into)
	case reflect.Map:
		d.mapping(n, path, into)
	case reflect.Slice:
		d.list(n, path, into)
	default:
		d.text(n, path, into)
	}
}

// allocate points p to a new value with its defaults.
func allocate(p reflect.Value) reflect.Value {
	p.Set(reflect.New(p.Type().Elem()))
	if v, ok := p.Interface().(defaulter); ok {
		v.setDefaults()
	}
	return p.Elem()
}

func (d *document) mapping(n ast.Node, path string, into reflect.Value) {
	into.Set(reflect.MakeMap(into.Type()))
	for _, e := range d.entries(n, path) {
		at := join(path, e.key)
		d.lines[at] = e.line
		v := reflect.New(into.Type().Elem()).Elem()
		if d.null(e.value) {
			d.fail(at, "", "there is nothing under this key")
			continue
		}
		d.value(e.value, at, v)
		into.SetMapIndex(reflect.ValueOf(e.key).Convert(into.Type().Key()), v)
	}
}

func (d *document) list(n ast.Node, path string, into reflect.Value) {
	for i, value := range d.items(n, path) {
		v := reflect.New(into.Type().Elem()).Elem()
		d.value(value, item(path, i), v)
		into.Set(reflect.Append(into, v))
	}
}

// text decodes a single value. What cannot be read leaves the default.
func (d *document) text(n ast.Node, path string, into reflect.Value) {
	s, ok := d.scalar(n, path)
	if !ok {
		return
	}
	switch v := into.Addr().Interface().(type) {
	case *bool:
		d.bool(s, path, v)
	case *int:
		d.int(s, path, v)
	case *time.Duration:
		d.duration(s, path, v)
	case *netip.Prefix:
		d.prefix(s, path, v)
	default:
		into.SetString(s)
	}
}

func (d *document) bool(s, path string, into *bool) {
	switch s {
	case "true", "false":
		*into = s == "true"
	default:
		d.fail(path, "write true or false", "%q is not true or false", s)
	}
}

func (d *document) int(s, path string, into *int) {
	n, err := strconv.Atoi(s)
	if err != nil {
		d.fail(path, "", "%q is not a whole number", s)
		return
	}
	*into = n
}

func (d *document) prefix(s, path string, into *netip.Prefix) {
	if addr, err := netip.ParseAddr(s); err == nil {
		*into = netip.PrefixFrom(addr, addr.BitLen())
		return
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		d.fail(path, "write an address or a network such as 10.0.0.0/8", "%q is not a network", s)
		return
	}
	*into = p.Masked()
}
