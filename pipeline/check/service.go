package check

import (
	"path"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/distribution/reference"

	"deployer/project"
)

// imageOf is the image of a service as the compose file names it.
func imageOf(p *project.Project, service string) string {
	if image, ok := p.Images[service]; ok && image.Ref != "" {
		return image.Ref
	}
	return p.Compose.Services[service].Image
}

// nameAndTag are the last part of an image's name, and its tag.
func nameAndTag(image string) (name, tag string) {
	ref, err := reference.ParseNormalizedNamed(image)
	if err != nil {
		return "", ""
	}
	if tagged, ok := ref.(reference.Tagged); ok {
		tag = tagged.Tag()
	}
	return path.Base(reference.Path(ref)), tag
}

// servicesOf are the services whose image has the name, as "traefik", sorted.
func servicesOf(p *project.Project, name string) []string {
	var out []string
	for _, service := range p.Compose.ServiceNames() {
		if base, _ := nameAndTag(imageOf(p, service)); strings.Contains(base, name) {
			out = append(out, service)
		}
	}
	return out
}

// mountAt is the volume of a service that a path in its container lies on.
func mountAt(s types.ServiceConfig, file string) (v types.ServiceVolumeConfig, ok bool) {
	for _, candidate := range s.Volumes {
		if below(candidate.Target, file) && len(candidate.Target) >= len(v.Target) {
			v, ok = candidate, true
		}
	}
	return v, ok
}

// below reports whether file is dir or lies below it.
func below(dir, file string) bool {
	dir = path.Clean(dir)
	return file == dir || dir == "/" || strings.HasPrefix(file, dir+"/")
}

// committed is the path of the commit, from the stack's folder, that a path in
// a service's container shows; empty where it shows none.
func committed(p *project.Project, service, file string) string {
	best := project.Mount{}
	for _, m := range p.Mounts {
		if m.Service == service && below(m.Target, file) && len(m.Target) >= len(best.Target) {
			best = m
		}
	}
	if best.Path == "" || best.Hash == "" && !best.Seed {
		return ""
	}
	rest := strings.TrimPrefix(strings.TrimPrefix(file, path.Clean(best.Target)), "/")
	return p.Local(path.Join(best.Path, rest))
}
