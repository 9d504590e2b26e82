package check

import (
	"fmt"
	"reflect"
	"strings"
)

// An expectation is what a body, a header or an output must be like. A single
// value or a list means contains.
type expectation struct {
	Contains    []text    `check:"contains"`
	NotContains []text    `check:"not_contains"`
	Matches     []pattern `check:"matches"`
}

func (e *expectation) decode(d *decoder, path string, n node) {
	if n.kind == aTable {
		d.fields(path, n, reflect.ValueOf(e).Elem())
		return
	}
	d.value(path, n, reflect.ValueOf(&e.Contains).Elem())
}

// unmet says what is wrong with s, nothing where it is as expected.
func (e expectation) unmet(s string) (why string) {
	var problems []string
	for _, t := range e.Contains {
		if !strings.Contains(s, t.plain) {
			problems = append(problems, fmt.Sprintf("does not contain %q", t))
		}
	}
	for _, t := range e.NotContains {
		if strings.Contains(s, t.plain) {
			problems = append(problems, fmt.Sprintf("contains %q", t))
		}
	}
	for _, p := range e.Matches {
		if !p.MatchString(s) {
			problems = append(problems, fmt.Sprintf("does not match %q", p))
		}
	}
	return strings.Join(problems, " and ")
}
