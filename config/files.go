package config

import (
	"reflect"
	"slices"
)

// Files returns the configuration's own path and those of the files that it
// names, keys and secrets among them, sorted. No stack is to see them.
func (c *Config) Files() []string {
	var out []string
	if c.Path != "" {
		out = append(out, c.Path)
	}
	collectFiles(reflect.ValueOf(c), &out, reflect.TypeFor[File](), reflect.TypeFor[PrivateFile](), reflect.TypeFor[Secret]())
	slices.Sort(out)
	return slices.Compact(out)
}

// collectFiles adds the paths that values of the kinds name.
func collectFiles(v reflect.Value, out *[]string, kinds ...reflect.Type) {
	add := func(name string) {
		if name != "" && slices.Contains(kinds, v.Type()) {
			*out = append(*out, name)
		}
	}
	switch v.Type() {
	case reflect.TypeFor[File](), reflect.TypeFor[PrivateFile]():
		add(v.String())
		return
	case reflect.TypeFor[Secret]():
		add(v.Interface().(Secret).file)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collectFiles(v.Elem(), out, kinds...)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				collectFiles(v.Field(i), out, kinds...)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			collectFiles(v.Index(i), out, kinds...)
		}
	case reflect.Map:
		for at := v.MapRange(); at.Next(); {
			collectFiles(at.Value(), out, kinds...)
		}
	}
}
