package project

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"deployer/secrets"
)

// Fingerprint is what a release is known by: a keyed hash of the resolved
// project with its mounted content, env and pinned images, and of extra, such
// as the effective pipeline.yaml. It is the same wherever and however often
// the same source is resolved for the same roots.
func (p *Project) Fingerprint(digest func(parts ...[]byte) string, extra ...[]byte) string {
	// Compose's own JSON leaves out extensions and CustomLabels, and sorts keys.
	compose, err := json.Marshal(p.Compose)
	if err != nil { // Load has refused what does not marshal
		compose = []byte(err.Error())
	}
	parts := [][]byte{[]byte(p.Name), compose, p.mountPart(), p.envPart(), p.imagePart()}
	return short(digest(append(parts, extra...)...))
}

func (p *Project) mountPart() []byte {
	var lines []string
	for _, m := range p.Mounts {
		lines = append(lines, fmt.Sprintf("%q %s %q %s %q %q %t", m.Service, m.Kind, m.Path, m.Hash, m.Host, m.Target, m.Seed))
	}
	for _, file := range p.Sealed() { // a value that is secret no more is news for the checks
		lines = append(lines, fmt.Sprintf("%q hides %q", file.Path(), file.Names()))
	}
	return joinSorted(lines)
}

func (p *Project) envPart() []byte {
	if p.Env == nil {
		return nil
	}
	var lines []string
	for name, value := range p.Env.Mapping() {
		line := fmt.Sprintf("%q=%q", name, value)
		if v, _ := p.Env.Lookup(name); v.Secret { // one that is secret no more is news for the checks
			line += " secret"
		}
		lines = append(lines, line)
	}
	return joinSorted(lines)
}

func (p *Project) imagePart() []byte {
	var lines []string
	for service, image := range p.Images {
		lines = append(lines, fmt.Sprintf("%q %s", service, image.ID))
	}
	for _, service := range p.NeverRollback {
		lines = append(lines, fmt.Sprintf("%q never goes back", service))
	}
	return joinSorted(lines)
}

func joinSorted(lines []string) []byte {
	slices.Sort(lines)
	var out []byte
	for _, line := range lines {
		out = append(append(out, line...), '\n')
	}
	return out
}

// Secrets are all values of the project that must not be shown: those of its
// env, of the env files of services and includes, and of the encrypted files
// that are mounted.
func (p *Project) Secrets() []secrets.Value {
	seen := map[string]bool{}
	for _, plain := range p.taint.values {
		seen[plain] = true
	}
	for _, m := range p.Mounts {
		if m.Kind == MountSecret && m.Path == "" && !m.Content.Empty() {
			seen[m.Content.Reveal()] = true
		}
	}
	var out []secrets.Value
	for _, plain := range slices.Sorted(maps.Keys(seen)) {
		out = append(out, secrets.NewValue(plain))
	}
	return out
}

// Sealed are the files of the repository that SOPS encrypted and services mount
// in plain, sorted by their path.
func (p *Project) Sealed() []*secrets.File {
	if p.view == nil { // made of parts
		return nil
	}
	var out []*secrets.File
	for _, name := range slices.Sorted(maps.Keys(p.view.sealed)) {
		if file := p.view.sealed[name]; file != nil {
			out = append(out, file)
		}
	}
	return out
}
