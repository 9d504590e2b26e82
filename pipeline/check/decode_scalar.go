package check

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// A scalar is a field type that reads a single value. Its error must show
// the value as t.String does.
type scalar interface{ set(t text) error }

func isScalar(v reflect.Value) bool {
	_, ok := v.Addr().Interface().(scalar)
	return ok
}

// scalar decodes a single value, after its variables were filled in.
func (d *decoder) scalar(path string, n node, v reflect.Value) {
	if n.kind != aScalar {
		d.fail(path, n.at, "want a single value, not %s", n.kind)
		return
	}
	t, ready := d.fill(path, n)
	if field, ok := v.Addr().Interface().(*text); ok {
		*field = t
		return
	}
	if !ready {
		return
	}
	if err := set(v, t); err != nil {
		d.fail(path, n.at, "%s", err)
	}
}

// fill gives a scalar with its variables filled in. It is not ready where one
// is missing.
func (d *decoder) fill(path string, n node) (t text, ready bool) {
	if n.filled != nil {
		return *n.filled, true
	}
	x, err := expand(n.text, d.find)
	switch {
	case err != nil:
		d.fail(path, n.at, "%s", err)
		return x.text, false
	case len(x.missing) > 0 && d.strict:
		d.fail(path, n.at, "%s is not defined in %s", strings.Join(x.missing, ", "), d.source)
	case len(x.missing) > 0:
		d.open = true
	}
	return x.text, len(x.missing) == 0
}

func set(v reflect.Value, t text) error {
	if field, ok := v.Addr().Interface().(scalar); ok {
		return field.set(t)
	}
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		span, err := time.ParseDuration(t.plain)
		if err != nil || span < 0 {
			return fmt.Errorf("%q is not a length of time; write 500ms, 30s or 2m", t)
		}
		v.SetInt(int64(span))
	case v.Kind() == reflect.Bool:
		if t.plain != "true" && t.plain != "false" {
			return fmt.Errorf("%q is neither true nor false", t)
		}
		v.SetBool(t.plain == "true")
	case v.Kind() == reflect.Int:
		number, err := strconv.ParseInt(t.plain, 10, 32)
		if err != nil {
			return fmt.Errorf("%q is not a whole number", t)
		}
		v.SetInt(number)
	default:
		return fmt.Errorf("fields of type %s cannot be read", v.Type())
	}
	return nil
}

// split takes the value of a variable apart into words.
func (d *decoder) split(n node) []node {
	x, err := expand(n.text, d.find)
	if err != nil || x.variables == 0 || len(x.missing) > 0 {
		return []node{n}
	}
	separator := func(r rune) bool { return r == ',' || unicode.IsSpace(r) }
	var out []node
	for _, word := range strings.FieldsFunc(x.plain, separator) {
		t := text{word, word}
		if x.plain != x.shown {
			t.shown = redacted
		}
		out = append(out, node{kind: aScalar, at: n.at, filled: &t})
	}
	return out
}
