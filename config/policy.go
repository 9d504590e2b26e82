package config

import (
	"path"
	"reflect"
	"slices"
	"strings"

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
	Base  string   `yaml:"base"`  // empty for a stack: the server's
	Allow []string `yaml:"allow"` // rules to lift, some with a parameter: host_path:/srv/data
	Deny  []string `yaml:"deny"`  // rules to add
}

// PolicyRules are the names that allow and deny may use, and whether allow may
// add a parameter after a colon.
var PolicyRules = map[string]bool{
	"capability": true, "cgroup_parent": false, "container_namespace": false, "deployer_files": true, "device": true,
	"docker_socket": false, "gpu": false, "host_cgroup": false, "host_ipc": false, "host_network": false, "host_path": true,
	"host_pid": false, "host_userns": false, "host_uts": false, "latest_tag": false, "no_digest": false, "no_rollback": false,
	"privileged": false, "published_port": true, "registry": true, "runtime": true, "security_opt": true, "sysctl": true,
	"unencrypted": true, "unverified": false, "volume_driver": true, "volumes_from": false,
}

// PolicyOf is the policy that a stack is judged by: its own base where it has
// one, and the server's rules with its own added. Where the two disagree about
// a rule, the stack's word counts.
func (c *Config) PolicyOf(s *Stack) Policy {
	p := Policy{Base: c.Policy.Base, Allow: slices.Clone(c.Policy.Allow), Deny: slices.Clone(c.Policy.Deny)}
	if s.Policy == nil {
		return p
	}
	if s.Policy.Base != "" {
		p.Base = s.Policy.Base
	}
	p.Allow = slices.DeleteFunc(p.Allow, func(entry string) bool { return slices.Contains(s.Policy.Deny, ruleOf(entry)) })
	p.Deny = slices.DeleteFunc(p.Deny, func(name string) bool { return slices.Contains(s.Policy.Allow, name) })
	p.Allow, p.Deny = append(p.Allow, s.Policy.Allow...), append(p.Deny, s.Policy.Deny...)
	return p
}

func ruleOf(entry string) string {
	name, _, _ := strings.Cut(entry, ":")
	return name
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

func (p *Policy) validate(doc *document, at string) {
	if p == nil {
		return
	}
	if p.Base != "" {
		base := at
		if doc.given(join(at, "base")) {
			base = join(at, "base")
		}
		oneOf(doc, base, p.Base, PolicyNone, PolicyBaseline, PolicyStrict)
	}
	for i, entry := range p.Allow {
		validateAllowed(doc, item(join(at, "allow"), i), entry)
	}
	for i, name := range p.Deny {
		switch here := item(join(at, "deny"), i); {
		case strings.Contains(name, ":") && knownRule(doc, here, ruleOf(name)):
			doc.fail(here, "deny: ["+ruleOf(name)+"], and allow: with what may stay", "only allow takes a parameter")
		case knownRule(doc, here, ruleOf(name)) && slices.Contains(p.Allow, name):
			doc.fail(here, "keep one", "%s is allowed and denied", name)
		}
	}
}

func validateAllowed(doc *document, at, entry string) {
	name, parameter, given := strings.Cut(entry, ":")
	if !knownRule(doc, at, name) || !given {
		return
	}
	switch {
	case !PolicyRules[name]:
		doc.fail(at, "write "+name, "%s takes no parameter", name)
	case parameter == "":
		doc.fail(at, "write "+name+", or what it is to be allowed for", "there is nothing behind the colon")
	case (name == "host_path" || name == "deployer_files") && !path.IsAbs(parameter):
		doc.fail(at, "write "+name+":/srv/data", "%q is not an absolute path", parameter)
	}
}

func knownRule(doc *document, at, name string) bool {
	if _, ok := PolicyRules[name]; ok {
		return true
	}
	doc.fail(at, suggest(name, keysOfRules()), "there is no rule %q", name)
	return false
}

func keysOfRules() []string {
	var names []string
	for name := range PolicyRules {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
