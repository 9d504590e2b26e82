// Package policy judges a resolved project before anything of it is pulled or
// changed: what would take over the host, and what good practice refuses. It
// sees what Compose would run, so that neither includes, extends, anchors nor
// variables hide anything from it.
package policy

import (
	"fmt"
	"slices"
	"strings"

	"deployer/project"
)

// A Host is what the rules about paths know of the machine.
type Host struct {
	// Own are files and folders of deployer itself: its data, its configuration,
	// the keys and secrets that it reads, its folder on tmpfs.
	Own []string
	// Volumes are the named volumes that deployer's own container mounts.
	Volumes []string
	// Sockets are those of Engines, besides the usual ones.
	Sockets []string
	// Root is the folder that the Engine keeps images and volumes in; empty where
	// it is not known. nil: the usual one.
	Root func() string
	// Data is the folder that the stack's own untracked files are kept in.
	Data string
	// Resolve follows the symlinks of a path; nil where the Engine's disk is not
	// this machine's. With an error it has followed them as far as it may look.
	Resolve func(path string) (string, error)
}

// resolved is where a path leads to, as far as can be seen.
func (h *Host) resolved(path string) string {
	real, _ := h.Resolve(path)
	return real
}

// Safeguards are what the stack does for its own safety, by pipeline.yaml.
type Safeguards struct {
	EnvFile   string // path of the env file; empty where there is none
	Encrypted bool   // the env file is encrypted
	Verified  bool   // there are checks after a deploy, besides the built-in ones
	RollsBack bool   // a release that fails is rolled back without a person
}

// A Refusal is one thing that a project must not do.
type Refusal struct {
	Rule    string
	Subject string // "service web" or "volume data"; empty for the stack itself
	What    string // as Compose has it, such as privileged: true
	Why     string
	Remedy  string
}

func (r Refusal) String() string {
	subject := ""
	if r.Subject != "" {
		subject = r.Subject + ": "
	}
	return fmt.Sprintf("%s: %s%s: %s", r.Rule, subject, r.What, r.Why)
}

// A Policy is a base with rules lifted and added. It is never changed, and safe
// for concurrent use.
type Policy struct {
	base  string
	from  level
	host  Host
	allow map[string][]string // by rule; an empty parameter lifts all of it
	deny  map[string]bool
}

// New makes a policy from its base (none, baseline or strict) and rules by
// name. What is allowed may have a parameter: host_path:/srv/data.
func New(base string, allow, deny []string, host Host) (*Policy, error) {
	p := &Policy{base: base, host: host, allow: map[string][]string{}, deny: map[string]bool{}}
	switch base {
	case "none":
		p.from = always
	case "baseline":
		p.from = baseline
	case "strict":
		p.from = strict
	default:
		return nil, fmt.Errorf("policy: %q is no base: write none, baseline or strict", base)
	}
	for _, entry := range allow {
		name, parameter, given := strings.Cut(entry, ":")
		r, ok := find(name)
		switch {
		case !ok:
			return nil, fmt.Errorf("policy: allow: there is no rule %q", name)
		case given && r.lifts == nil:
			return nil, fmt.Errorf("policy: allow: rule %s takes no parameter", name)
		}
		p.allow[name] = append(p.allow[name], parameter)
	}
	for _, name := range deny {
		if _, ok := find(name); !ok {
			return nil, fmt.Errorf("policy: deny: there is no rule %q", name)
		}
		p.deny[name] = true
	}
	return p, nil
}

// Base is the base that the policy starts from.
func (p *Policy) Base() string { return p.base }

// Judge returns what the project is refused for, by service and rule; nothing
// where it may run.
func (p *Policy) Judge(on *project.Project, s Safeguards) []Refusal {
	j := &judge{policy: p, project: on}
	j.services()
	j.volumes()
	j.networks()
	j.safeguards(s)
	slices.SortStableFunc(j.refusals, func(a, b Refusal) int {
		return strings.Compare(a.Subject+"\x00"+a.Rule, b.Subject+"\x00"+b.Rule)
	})
	return slices.Compact(j.refusals)
}

// A finding is what a rule has noticed; whether it is refused the policy says.
type finding struct {
	rule      string
	from      level  // the base from which on it is refused
	parameter string // what allow may name to lift it; empty: only the whole rule
	subject   string
	what, why string
	remedy    string // besides allowing it
}

func (p *Policy) refuses(f finding) bool {
	if p.from < f.from && !p.deny[f.rule] {
		return false
	}
	r, _ := find(f.rule)
	return !slices.ContainsFunc(p.allow[f.rule], func(allowed string) bool {
		return allowed == "" || f.parameter != "" && r.lifts(allowed, f.parameter)
	})
}

// A judge is one judgement on its way.
type judge struct {
	policy   *Policy
	project  *project.Project
	refusals []Refusal
	folders  []string // what sensitive returns
}

func (j *judge) find(f finding) {
	if !j.policy.refuses(f) {
		return
	}
	entry := f.rule
	if f.parameter != "" {
		entry += ":" + f.parameter
	}
	if strings.ContainsAny(entry, ":/ ") {
		entry = `"` + entry + `"`
	}
	j.refusals = append(j.refusals, Refusal{
		Rule: f.rule, Subject: f.subject, What: f.what, Why: f.why,
		Remedy: fmt.Sprintf("%s; or, where it has to be, allow: [%s] in the stack's policy in deployer.yaml", f.remedy, entry),
	})
}
