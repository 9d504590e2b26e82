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
	collectFiles(reflect.ValueOf(c), &out)
	slices.Sort(out)
	return slices.Compact(out)
}

func collectFiles(v reflect.Value, out *[]string) {
	add := func(name string) {
		if name != "" {
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
			collectFiles(v.Elem(), out)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				collectFiles(v.Field(i), out)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			collectFiles(v.Index(i), out)
		}
	case reflect.Map:
		for at := v.MapRange(); at.Next(); {
			collectFiles(at.Value(), out)
		}
	}
}
