package secrets

import "regexp"

// references answers the parser's questions for variables in one value. It
// knows the earlier variables of the file, and nothing of the process.
type references struct {
	env       *Env
	fallback  map[string]bool // variables that the value uses with an operator, as ${NAME:-…}
	bytes     int             // how much was put in, which can grow with every line
	undefined bool            // a variable that does not exist was replaced by nothing
	secret    bool            // a secret variable was used
}

var withOperator = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*):?[-+?]`)

func newReferences(env *Env, value string) *references {
	r := &references{env: env, fallback: make(map[string]bool)}
	for _, m := range withOperator.FindAllStringSubmatch(value, -1) {
		r.fallback[m[1]] = true
	}
	return r
}

// lookup says that a variable exists, and is empty, where Compose would put
// nothing in its place: else Compose logs the name, which in a password that
// holds a $ is a part of the password. Where an operator decides what takes
// its place, the variable has to be missing: only a name that a value has both
// as $NAME and in ${NAME:-…} can be logged.
func (r *references) lookup(name string) (string, bool) {
	if v, ok := r.env.Lookup(name); ok {
		r.secret = r.secret || v.Secret
		value := v.Value.Reveal()
		if r.bytes += len(value); r.bytes > maxValue {
			return "", true
		}
		return value, true
	}
	if r.fallback[name] {
		return "", false
	}
	r.undefined = true
	return "", true
}
