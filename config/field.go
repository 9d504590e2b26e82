package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
)

// A field is where the value of a key goes.
type field struct {
	value reflect.Value
	keyed keyed  // not nil where the key is one form of several
	form  string // which of them
}

// fieldsOf returns the fields of a struct by key.
func fieldsOf(v reflect.Value) map[string]field {
	known := map[string]field{}
	for i := range v.NumField() {
		name := v.Type().Field(i).Tag.Get("yaml")
		if name == "" || name == "-" {
			continue
		}
		f := field{value: v.Field(i)}
		k, ok := f.value.Addr().Interface().(keyed)
		if !ok {
			known[name] = f
			continue
		}
		for _, form := range k.forms() {
			known[name+form] = field{value: f.value, keyed: k, form: form}
		}
	}
	return known
}

func keysOf(known map[string]field) []string { return slices.Sorted(maps.Keys(known)) }

// suggest names the key that was meant, or all that there are.
func suggest(key string, known []string) string {
	if near := nearest(key, known); near != "" {
		return "did you mean " + near + "?"
	}
	return "known here: " + strings.Join(known, ", ")
}

// nearest returns the option that word is the beginning of, or that takes the
// fewest typing errors to become word; empty where none is near.
func nearest(word string, options []string) string {
	best, fewest := "", max(2, len(word)/3)+1
	for _, option := range options {
		if strings.HasPrefix(option, word+"_") {
			return option
		}
		if n := typos(strings.ToLower(word), option); n < fewest && n < len(option) {
			best, fewest = option, n
		}
	}
	return best
}

// typos counts the letters to insert, drop, replace or swap with their
// neighbour to get from a to b.
func typos(a, b string) int {
	before, last := []int(nil), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
