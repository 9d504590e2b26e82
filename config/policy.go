package config

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// The bases that a policy starts from.
const (
	PolicyNone     = "none"
	PolicyBaseline = "baseline"
	PolicyStrict   = "strict"
)

// A Policy says what a resolved project may do on its target.
type Policy struct {
	Base  string   `yaml:"base"`
	Allow []string `yaml:"allow"` // rules of the base to lift
	Deny  []string `yaml:"deny"`  // rules to add to it
}

// decodeNode takes the base alone as well as {base, allow, deny}.
func (p *Policy) decodeNode(d *document, n ast.Node, path string) {
	if _, ok := d.follow(n).(ast.MapNode); ok {
		d.structure(n, path, reflect.ValueOf(p).Elem())
		return
	}
	if base, ok := d.scalar(n, path); ok {
		p.Base = base
	}
}

func (p *Policy) validate(doc *document, path string) {
	if p == nil {
		return
	}
	at := path
	if doc.given(join(path, "base")) {
		at = join(path, "base")
	}
	oneOf(doc, at, p.Base, PolicyNone, PolicyBaseline, PolicyStrict)
}

// lax reports whether the policy forbids nothing.
func (p *Policy) lax() bool {
	return p == nil || p.Base == PolicyNone && len(p.Allow) == 0 && len(p.Deny) == 0
}

func (p *Policy) setDefaults() { p.Base = PolicyNone }
