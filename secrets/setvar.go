package secrets

import (
	"regexp"
	"strings"
)

// bare is what Compose reads unchanged without quotes.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,-]*$`)

// SetVar returns the text of an env file with one variable set, such that
// Compose reads exactly that value: in its place, or at the end where it is
// not there yet. path is for messages.
func SetVar(path string, text Value, name string, value Value) (Value, error) {
	if !IsName(name) {
		return Value{}, &Error{Path: path, Problem: "this is no name of a variable", Hint: nameHint}
	}
	if f := formatForEnding(path); f != dotenvFormat && f != binaryFormat {
		return Value{}, &Error{Path: path, Problem: "is " + f.String() + ", and no env file of which one variable could be set", Hint: "use `deployer secrets edit " + path + "`"}
	}
	statements, err := split(path, text.Reveal())
	if err != nil {
		return Value{}, err
	}
	lines := strings.Split(strings.TrimSuffix(text.Reveal(), "\n"), "\n")
	if text.Empty() {
		lines = nil
	}
	set := name + "=" + written(value.Reveal())
	for i, s := range statements {
		if s.name != name {
			continue
		}
		next := len(lines)
		if i+1 < len(statements) {
			next = statements[i+1].line - 1
		}
		after := lines[s.line-1+strings.Count(s.value, "\n")+1 : next]
		lines = append(append(append([]string{}, lines[:s.line-1]...), set), append(append([]string{}, after...), lines[next:]...)...)
		return confirmed(path, lines, name, value)
	}
	return confirmed(path, append(lines, set), name, value)
}

// confirmed reads the new text as Compose will.
func confirmed(path string, lines []string, name string, value Value) (Value, error) {
	text := strings.Join(lines, "\n") + "\n"
	env, err := readEnv(path, []byte(text), false, nil)
	if err != nil {
		return Value{}, err
	}
	if v, ok := env.Lookup(name); !ok || !v.Value.Equal(value) {
		return Value{}, &Error{Path: path, Problem: "the value of " + name + " cannot be written such that Compose reads it unchanged",
			Hint: "use another value, without control characters"}
	}
	return NewValue(text), nil
}

// written puts a value into the quotes that it needs. Single ones are for
// reading; a backslash or a quote in the value takes double ones.
func written(value string) string {
	switch {
	case bare.MatchString(value):
		return value
	case !strings.ContainsAny(value, "'\\\n\r"):
		return "'" + value + "'"
	}
	return `"` + quoteEscapes.Replace(value) + `"`
}

const nameHint = `use letters, digits and "_", and begin with a letter`

// IsName reports whether a variable can be called so.
func IsName(name string) bool { return validName.MatchString(name) }
