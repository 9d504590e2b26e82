package project

import (
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
)

// Builds are the services that have to be built, sorted: those with a build
// section that no image has been pinned for.
func (p *Project) Builds() []string {
	var out []string
	for name, s := range p.Compose.Services {
		if s.Build != nil {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// PinImages makes each named service run exactly the local image with that
// ID. Compose then neither pulls nor builds, and recreates a service when the
// image behind a tag is another one. Images keeps the references of the
// compose files.
func (p *Project) PinImages(images map[string]Image) {
	if p.Images == nil {
		p.Images = map[string]Image{}
	}
	for name, image := range images {
		s, ok := p.Compose.Services[name]
		if !ok || image.ID == "" {
			continue
		}
		switch pinned, again := p.Images[name]; {
		case again:
			image.Ref = pinned.Ref
		case s.Image != "":
			image.Ref = s.Image
		}
		for i := range s.PreStart {
			if s.PreStart[i].Image == s.Image { // inherited
				s.PreStart[i].Image = image.ID
				s.PreStart[i].PullPolicy = types.PullPolicyNever
			}
		}
		s.Image, s.PullPolicy, s.Build = image.ID, types.PullPolicyNever, nil
		p.Compose.Services[name] = s
		p.Images[name] = image
	}
}
