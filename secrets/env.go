package secrets

// A Var is one variable of an env file.
type Var struct {
	Name    string
	Value   Value
	Secret  bool // encrypted in the committed file, or made of a variable that is
	Changed bool // Compose's rules read something else than was probably meant
	Line    int  // in the decrypted file, from 1
}

// An Env is a decrypted env file. It lives in memory only, and is not changed
// once it is made.
type Env struct {
	path      string
	encrypted bool
	text      *Value // as decrypted; nil for an Env that was made of variables
	vars      []Var
	index     map[string]int
}

// NewEnv makes an Env of variables in the order of the file. A name given
// twice keeps its last value.
func NewEnv(path string, encrypted bool, vars []Var) *Env {
	e := &Env{path: path, encrypted: encrypted, index: make(map[string]int, len(vars))}
	for _, v := range vars {
		e.set(v)
	}
	return e
}

func (e *Env) set(v Var) {
	if at, ok := e.index[v.Name]; ok {
		e.vars[at] = v
		return
	}
	e.index[v.Name] = len(e.vars)
	e.vars = append(e.vars, v)
}

// Path is the file in the snapshot that the Env was read from; empty for no file.
func (e *Env) Path() string { return e.path }

// Encrypted reports whether the committed file is encrypted with SOPS.
func (e *Env) Encrypted() bool { return e.encrypted }

// Vars returns the variables in the order of the file.
func (e *Env) Vars() []Var { return e.vars }

// Lookup returns the variable of that name.
func (e *Env) Lookup(name string) (Var, bool) {
	at, ok := e.index[name]
	if !ok {
		return Var{}, false
	}
	return e.vars[at], true
}

// Mapping returns plain values by name, for interpolation.
func (e *Env) Mapping() map[string]string {
	m := make(map[string]string, len(e.vars))
	for _, v := range e.vars {
		m[v.Name] = v.Value.Reveal()
	}
	return m
}

// Secrets returns the values that must not be shown.
func (e *Env) Secrets() []Value {
	var out []Value
	for _, v := range e.vars {
		if v.Secret && !v.Value.Empty() {
			out = append(out, v.Value)
		}
	}
	return out
}
