package traefik

import (
	"fmt"
	"slices"
	"strings"
)

// A tree is configuration by its option names, which Traefik reads in any
// case. Leaves are strings, lists or other scalars of YAML.
type tree map[string]any

// put sets the value at a path of names. A value on the way stays as "".
func (t tree) put(path []string, value any) {
	at := t
	for _, name := range path[:len(path)-1] {
		key := at.key(name)
		child, ok := at[key].(tree)
		if !ok {
			child = tree{}
			if own, has := at[key]; has {
				child[""] = own
			}
			at[key] = child
		}
		at = child
	}
	key := at.key(path[len(path)-1])
	if child, ok := at[key].(tree); ok {
		child[""] = value
		return
	}
	at[key] = value
}

// key is how the tree spells a name already, else the name.
func (t tree) key(name string) string {
	if _, ok := t[name]; ok {
		return name
	}
	for key := range t {
		if strings.EqualFold(key, name) {
			return key
		}
	}
	return name
}

// get returns what is at a path of option names; nil where nothing is.
func (t tree) get(path ...string) any {
	var v any = t
	for _, name := range path {
		at, ok := v.(tree)
		if !ok {
			return nil
		}
		v = at[at.key(name)]
	}
	return v
}

// sub is the table at a path; empty where there is none.
func (t tree) sub(path ...string) tree {
	if at, ok := t.get(path...).(tree); ok {
		return at
	}
	return nil
}

// text is the single value at a path; empty where there is none.
func (t tree) text(path ...string) string {
	switch v := t.get(path...).(type) {
	case nil, []any:
		return ""
	case tree:
		own, _ := v[""].(string)
		return own
	default:
		return strings.TrimSpace(fmt.Sprint(v))
	}
}

// words is the list at a path; one value may hold several between commas.
func (t tree) words(path ...string) []string {
	var out []string
	switch v := t.get(path...).(type) {
	case []any:
		for _, item := range v {
			out = append(out, strings.TrimSpace(fmt.Sprint(item)))
		}
	case tree:
		for _, name := range v.names() { // sourcerange[0]=…
			out = append(out, v.text(name))
		}
	case nil:
	default:
		for word := range strings.SplitSeq(fmt.Sprint(v), ",") {
			out = append(out, strings.TrimSpace(word))
		}
	}
	return out
}

// on reports whether an option that may stand alone is there: as true, with
// options of its own, or as an empty table.
func (t tree) on(path ...string) bool {
	switch v := t.get(path...).(type) {
	case nil:
		return false
	case tree:
		own, has := v[""]
		return !has || strings.EqualFold(fmt.Sprint(own), "true")
	default:
		return strings.EqualFold(fmt.Sprint(v), "true")
	}
}

// names are the keys, sorted.
func (t tree) names() []string {
	var out []string
	for key := range t {
		if key != "" {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}

// branch turns what a YAML library read into a tree.
func branch(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := tree{}
		for key, value := range v {
			out[key] = branch(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, item := range v {
			out[i] = branch(item)
		}
		return out
	}
	return v
}
