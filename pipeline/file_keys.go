package pipeline

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"deployer/pipeline/check"
)

// unknownKeys reports every key of pipeline.yaml that File does not have, each
// with its place and what was probably meant. What checks take they say
// themselves. A text that is no YAML has none: reading it says why.
func unknownKeys(raw []byte) error {
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return nil
	}
	var errs []error
	for _, doc := range file.Docs {
		errs = append(errs, unknownIn(doc.Body, reflect.TypeFor[File](), "")...)
	}
	return errors.Join(errs...)
}

// unknownIn looks at a node that t is read from. Path is where it is.
func unknownIn(n ast.Node, t reflect.Type, path string) (errs []error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	table, ok := n.(ast.MapNode)
	if !ok || t == reflect.TypeFor[check.Spec]() {
		return nil
	}
	fields := map[string]reflect.Type{}
	if t.Kind() == reflect.Struct {
		for i := range t.NumField() {
			fields[t.Field(i).Tag.Get("yaml")] = t.Field(i).Type
		}
	}
	for iter := table.MapRange(); iter.Next(); {
		key := iter.Key()
		name := key.GetToken().Value
		field, known := fields[name]
		switch {
		case key.IsMergeKey():
		case known:
			errs = append(errs, unknownIn(iter.Value(), field, path+name+".")...)
		case t.Kind() == reflect.Map:
			errs = append(errs, unknownIn(iter.Value(), t.Elem(), path+name+".")...)
		case t.Kind() == reflect.Struct:
			at := key.GetToken().Position
			errs = append(errs, fmt.Errorf("[%d:%d] unknown key %s%s: %s", at.Line, at.Column, path, name, check.Suggest(name, names(fields))))
		}
	}
	return errs
}

func names(fields map[string]reflect.Type) (out []string) {
	for name := range fields {
		if name != "" && !strings.HasPrefix(name, "-") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
