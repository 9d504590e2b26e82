package check

import (
	"errors"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// UnmarshalYAML reads one entry of a list of checks and validates it. Its
// errors are a yaml.Error each, joined, and know their place in the document.
func (s *Spec) UnmarshalYAML(n ast.Node) error {
	root, err := newNode(n)
	if err != nil {
		return locate("", err)
	}
	name := root.get("check")
	switch {
	case root.kind != aTable:
		return locate("", &fieldError{at: root.at, message: "want a check such as {check: containers}"})
	case name.kind != aScalar:
		return locate("", &fieldError{at: root.at, message: "the field \"check\" is missing; it names the check"})
	}
	// Errors about the entry as a whole point at its name.
	s.kind = name.text
	s.common = node{kind: aTable, at: name.at}
	s.fields = node{kind: aTable, at: name.at}
	for _, e := range root.table {
		switch {
		case e.key == "check":
		case slices.Contains(commonFields, e.key):
			s.common.table = append(s.common.table, e)
		default:
			s.fields.table = append(s.fields.table, e)
		}
	}
	return locate("check "+s.kind+": ", s.Validate())
}

// locate turns field errors into errors that the YAML library can place.
func locate(prefix string, err error) error {
	if err == nil {
		return nil
	}
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		var out []error
		for _, e := range many.Unwrap() {
			out = append(out, locate(prefix, e))
		}
		if len(out) == 1 {
			return out[0]
		}
		return errors.Join(out...)
	}
	var field *fieldError
	if errors.As(err, &field) && field.at != nil {
		return &yaml.SyntaxError{Message: prefix + field.Error(), Token: field.at}
	}
	return err
}
