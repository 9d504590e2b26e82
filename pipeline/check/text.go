package check

import (
	"fmt"
	"strings"

	"deployer/secrets"
)

// redacted stands for the value of a secret variable in what is shown.
const redacted = "[redacted]"

// A text is a string field after its variables were filled in. It prints with
// secret variables redacted; plain is for the check's own use.
type text struct{ plain, shown string }

func (t text) String() string { return t.shown }

// A lookup gives the value of a variable.
type lookup func(name string) (text, bool)

func lookupIn(env *secrets.Env) lookup {
	return func(name string) (text, bool) {
		if env == nil {
			return text{}, false
		}
		v, ok := env.Lookup(name)
		if !ok {
			return text{}, false
		}
		t := text{v.Value.Reveal(), v.Value.Reveal()}
		if v.Secret && !v.Value.Empty() {
			t.shown = redacted
		}
		return t, true
	}
}

func noVariables(string) (text, bool) { return text{}, false }

// An expansion is a string after its variables were looked up.
type expansion struct {
	text
	variables int
	missing   []string // variables that are not defined and have no default; they stay as written
}

// expand fills in ${NAME} and ${NAME:-default}, and turns $$ into $. Every
// other $ stands for itself, so that a regexp may end in one.
func expand(s string, find lookup) (expansion, error) {
	var out expansion
	var plain, shown strings.Builder
	put := func(t text) {
		plain.WriteString(t.plain)
		shown.WriteString(t.shown)
	}
	for rest := s; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		put(text{before, before})
		switch {
		case !found:
			rest = ""
		case strings.HasPrefix(after, "$"):
			put(text{"$", "$"})
			rest = after[1:]
		case strings.HasPrefix(after, "{"):
			reference, tail, closed := strings.Cut(after[1:], "}")
			if !closed {
				return out, fmt.Errorf("${%s has no closing brace; write $$ for a dollar sign", reference)
			}
			t, defined, err := resolve(reference, find)
			if err != nil {
				return out, err
			}
			if !defined {
				out.missing = append(out.missing, reference)
			}
			out.variables++
			put(t)
			rest = tail
		default:
			put(text{"$", "$"})
			rest = after
		}
	}
	out.text = text{plain.String(), shown.String()}
	return out, nil
}

// resolve gives what stands between ${ and }.
func resolve(reference string, find lookup) (t text, defined bool, err error) {
	name, fallback, hasDefault := strings.Cut(reference, ":-")
	if !isName(name) || strings.Contains(fallback, "${") {
		return text{}, false, fmt.Errorf("${%s} is not understood: write ${NAME} or ${NAME:-default}, and $$ for a dollar sign", reference)
	}
	t, ok := find(name)
	switch {
	case hasDefault && t.plain == "":
		return text{fallback, fallback}, true, nil
	case !ok:
		written := "${" + reference + "}"
		return text{written, written}, false, nil
	}
	return t, true, nil
}

func isName(s string) bool {
	for i, c := range s {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}
