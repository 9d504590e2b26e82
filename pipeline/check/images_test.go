package check

import (
	"testing"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

func TestImagesFitTheEngine(t *testing.T) {
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	engine := &fakeEngine{info: func() (project.Engine, error) { return project.Engine{OS: "linux", Arch: "amd64"}, nil }}
	for name, tt := range map[string]struct {
		image            project.Image
		platform, fields string
		status           state.StepStatus
		parts            []string
	}{
		"right":           {project.Image{Ref: "a:1", ID: "x", Platform: "linux/amd64"}, "", "", state.StepPassed, []string{"1 image for linux/amd64, 0 of them named by digest"}},
		"by digest":       {project.Image{Ref: "a:1" + digest, ID: "x", Platform: "linux/amd64"}, "", "pinned: true", state.StepPassed, []string{"1 of them named by digest"}},
		"not by digest":   {project.Image{Ref: "a:1", ID: "x", Platform: "linux/amd64"}, "", "pinned: true", state.StepFailed, []string{"web: a:1 is not named by its digest"}},
		"let alone":       {project.Image{Ref: "a:1", ID: "x", Platform: "linux/amd64"}, "", "pinned: true, allow: [web]", state.StepPassed, nil},
		"latest":          {project.Image{Ref: "r.io/a:latest", ID: "x", Platform: "linux/amd64"}, "", "", state.StepWarned, []string{"r.io/a:latest may be another image"}},
		"no tag":          {project.Image{Ref: "r.io:5000/a", ID: "x", Platform: "linux/amd64"}, "", "", state.StepWarned, []string{"may be another image"}},
		"another machine": {project.Image{Ref: "a:1", ID: "x", Platform: "linux/arm64/v8"}, "", "", state.StepFailed, []string{"is for linux/arm64/v8, and this Engine is linux/amd64"}},
		"by emulation":    {project.Image{Ref: "a:1", ID: "x", Platform: "linux/arm64/v8"}, "linux/arm64", "", state.StepWarned, []string{"by emulation"}},
		"32 bits":         {project.Image{Ref: "a:1", ID: "x", Platform: "linux/386"}, "", "", state.StepPassed, nil},
		"not known":       {project.Image{Ref: "a:1", ID: "x"}, "", "", state.StepWarned, []string{"not proven"}},
		"not there":       {project.Image{Ref: "a:1"}, "", "", state.StepFailed, []string{"a:1 is not on the Engine"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := projectOf(types.ServiceConfig{Name: "web", ContainerSpec: types.ContainerSpec{Image: tt.image.ID, Platform: tt.platform}})
			p.Images = map[string]project.Image{"web": tt.image}
			want(t, run(t, "{check: images, "+tt.fields+"}", &World{Project: p, Engine: engine}), tt.status, tt.parts...)
		})
	}
	want(t, run(t, "{check: images}", &World{}), state.StepSkipped)
}
