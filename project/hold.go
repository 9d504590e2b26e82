package project

import (
	"maps"
	"slices"
)

// Hold makes the named services what they are in current, with the networks,
// volumes, mounts and images that they need. It is for services that must not
// go back while the rest of the project does. A name that current does not
// have stays as it is.
func (p *Project) Hold(current *Project, names []string) {
	for _, name := range names {
		service, ok := current.Compose.Services[name]
		if !ok {
			continue
		}
		p.Compose.Services[name] = service
		p.Mounts = slices.DeleteFunc(p.Mounts, func(m Mount) bool { return m.Service == name })
		for _, m := range current.Mounts {
			if m.Service == name {
				p.Mounts = append(p.Mounts, m)
			}
		}
		if image, ok := current.Images[name]; ok {
			p.Images[name] = image
		}
		p.Compose.Networks = withMissing(p.Compose.Networks, current.Compose.Networks)
		p.Compose.Volumes = withMissing(p.Compose.Volumes, current.Compose.Volumes)
	}
}

// withMissing returns have with the entries of more that it lacks.
func withMissing[M ~map[string]V, V any](have, more M) M {
	out := maps.Clone(more)
	if out == nil {
		out = M{}
	}
	maps.Copy(out, have)
	return out
}
