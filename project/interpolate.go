package project

import (
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/template"

	"deployer/secrets"
)

// shortest is the length from which a secret inside a longer text is looked
// for; shorter ones (`true`, `5000`) would be found everywhere.
const shortest = 6

// A taint knows which resolved texts came from a secret, so that what is
// shown to people can be told from what is not.
type taint struct {
	names  map[string]bool // variables with a secret value
	values []string        // secret values
	texts  map[string]bool // what interpolation made of templates that use one
	hidden bool            // nobody has said which values are secret: none is shown
}

func newTaint(env *secrets.Env) *taint {
	t := &taint{names: map[string]bool{}, texts: map[string]bool{}}
	t.add(env)
	return t
}

func (t *taint) add(env *secrets.Env) {
	if env == nil {
		return
	}
	t.hidden = t.hidden || env.Path() == adoptedEnv
	for _, v := range env.Vars() {
		if !v.Secret {
			continue
		}
		t.names[v.Name] = true
		t.addValue(v.Value.Reveal())
	}
}

func (t *taint) addValue(plain string) {
	if plain != "" && !slices.Contains(t.values, plain) {
		t.values = append(t.values, plain)
	}
}

// addFile adds an env file as it was resolved: what it has encrypted, and what
// was made with a secret of another file. env is nil for a plain file.
func (t *taint) addFile(env *secrets.Env, vars map[string]string, used []string) {
	t.add(env)
	for name, value := range vars {
		made := slices.ContainsFunc(used, func(u string) bool { return strings.Contains(value, u) })
		if made {
			t.names[name] = true
		}
		if made || env != nil && isSecret(env, name) {
			t.addValue(value)
		}
	}
}

func isSecret(env *secrets.Env, name string) bool {
	v, ok := env.Lookup(name)
	return ok && v.Secret
}

// mark remembers a text made from a secret, and the value alone where the
// text is one of a list of NAME=value.
func (t *taint) mark(text string) {
	if text == "" {
		return
	}
	t.texts[text] = true
	if _, value, ok := strings.Cut(text, "="); ok && value != "" {
		t.texts[value] = true
	}
}

// secret reports whether a resolved text must not be shown.
func (t *taint) secret(text string) bool {
	if text == "" {
		return false
	}
	if t.texts[text] {
		return true
	}
	return slices.ContainsFunc(t.values, func(v string) bool {
		return text == v || len(v) >= shortest && strings.Contains(text, v)
	})
}

// reference matches the beginning of a variable; the third group is empty
// where neither a default nor an error message follows.
var reference = regexp.MustCompile(`\$(?:\$|([_a-zA-Z][_a-zA-Z0-9]*)|\{([_a-zA-Z][_a-zA-Z0-9]*)(:?[-?+])?)`)

// substitute is Compose's own substitution. missing, where given, is told the
// names that are used without a default and not defined.
func (t *taint) substitute(missing func(name string)) func(string, template.Mapping) (string, error) {
	return func(text string, lookup template.Mapping) (string, error) {
		if !strings.Contains(text, "$") {
			return text, nil
		}
		bare, handled := map[string]bool{}, map[string]bool{}
		for _, m := range reference.FindAllStringSubmatch(text, -1) {
			if name := m[1] + m[2]; m[3] == "" {
				bare[name] = true
			} else {
				handled[name] = true
			}
		}
		secret := false
		out, err := template.SubstituteWithOptions(text, func(name string) (string, bool) {
			value, ok := lookup(name)
			secret = secret || ok && t.names[name]
			if !ok && bare[name] && missing != nil {
				missing(name)
			}
			// Told that it is empty, the library does not log it.
			return value, ok || !handled[name]
		}, template.WithoutLogging)
		if secret && err == nil {
			t.mark(out)
		}
		return out, err
	}
}
