package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// A fakeTarget keeps containers in memory. What becomes of a service is in
// the name of its image: one with "broken" in it does not start, one with
// "sick" starts and is unhealthy.
type fakeTarget struct {
	mu         sync.Mutex
	containers map[string]map[string]project.Container // by project and service
	refs       map[string]string                       // image id → reference
	absent     []string                                // references that cannot be pulled, ids that are gone
	volumes    []string                                // what VolumeProblems finds
	names      []string                                // what NameProblems finds
	networks   []string                                // what NetworkProblems finds
	kept       map[string][]string                     // what KeepImages was told last, by stack
	mounted    []string                                // what containers mount
	deaf       error                                   // what Mounted fails with
	applies    int                                     // calls of Apply
	changes    int                                     // those that had something to change
	hook       func(context.Context, call) error
	says       func(service string) string // what a container has written; nil: always the same
}

func newFakeTarget() *fakeTarget {
	return &fakeTarget{
		containers: map[string]map[string]project.Container{},
		refs:       map[string]string{}, kept: map[string][]string{},
	}
}

func (f *fakeTarget) Mounted(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mounted, f.deaf
}

// ref is the reference behind an image's id. f.mu is held.
func (f *fakeTarget) ref(image string) string {
	if ref, ok := f.refs[image]; ok {
		return ref
	}
	return image
}

// runs is the reference of the image that a service runs; empty for none.
func (f *fakeTarget) runs(projectName, service string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ref(f.containers[projectName][service].ImageID)
}

// id is the container of a service, which is another one once it was recreated.
func (f *fakeTarget) id(projectName, service string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.containers[projectName][service].ID
}

// edit changes a container as somebody beside deployer does.
func (f *fakeTarget) edit(projectName, service string, change func(*project.Container)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c := f.containers[projectName][service]
	change(&c)
	f.containers[projectName][service] = c
}

func (f *fakeTarget) lose(images ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent = append(f.absent, images...)
}

func (f *fakeTarget) find(image string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent = slices.DeleteFunc(f.absent, func(s string) bool { return s == image })
}

// counts are the calls of Apply, and those of them that changed something.
func (f *fakeTarget) counts() (applies, changes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.applies, f.changes
}

func hashOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:])
}

func (f *fakeTarget) Info(context.Context) (project.Engine, error) {
	return project.Engine{Version: "20.10", APIVersion: "1.41", OS: "linux", Arch: "amd64", FreeBytes: 1 << 40}, nil
}

func (f *fakeTarget) Images(ctx context.Context, p *project.Project, _ string, log io.Writer) (map[string]project.Image, error) {
	if err := f.at(ctx, "images", p, log); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := map[string]project.Image{}
	for name, s := range p.Compose.Services {
		if slices.Contains(f.absent, s.Image) {
			return out, pipeline.WithHint(fmt.Errorf("image %s of service %s: manifest unknown", s.Image, name), "push the image")
		}
		id := "sha256:" + hashOf(s.Image)
		f.refs[id] = s.Image
		out[name] = project.Image{Ref: s.Image, ID: id}
	}
	return out, nil
}

func (f *fakeTarget) MissingImages(_ context.Context, ids []string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var missing []string
	for _, id := range ids {
		if ref := f.ref(id); slices.Contains(f.absent, ref) {
			missing = append(missing, ref)
		}
	}
	return missing, nil
}

func (f *fakeTarget) KeepImages(_ context.Context, stack string, ids []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept[stack] = nil
	for _, id := range ids {
		f.kept[stack] = append(f.kept[stack], f.ref(id))
	}
	return nil
}

func (f *fakeTarget) Containers(ctx context.Context, projectName string) ([]project.Container, error) {
	if err := f.at(ctx, "containers", nil, nil); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []project.Container
	for _, service := range slices.Sorted(maps.Keys(f.containers[projectName])) {
		out = append(out, f.containers[projectName][service])
	}
	return out, nil
}

func (f *fakeTarget) Plan(_ context.Context, p *project.Project, observed []project.Container) ([]state.ServiceChange, error) {
	have := map[string]project.Container{}
	for _, c := range observed {
		have[c.Service] = c
	}
	var out []state.ServiceChange
	for _, name := range p.Compose.ServiceNames() {
		change := state.ServiceChange{Name: name, Action: state.ActionKeep}
		switch c, ok := have[name]; {
		case !ok:
			change.Action = state.ActionCreate
		case c.Hash != configHash(p, name) || !c.LivesOn():
			change.Action, change.Why = state.ActionRecreate, "configuration"
		}
		delete(have, name)
		out = append(out, change)
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		out = append(out, state.ServiceChange{Name: name, Action: state.ActionRemove})
	}
	return out, nil
}

func configHash(p *project.Project, service string) string {
	data, err := json.Marshal(p.Compose.Services[service])
	if err != nil {
		return err.Error()
	}
	return hashOf(string(data))
}

func (f *fakeTarget) VolumeProblems(context.Context, *project.Project) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.volumes, nil
}

func (f *fakeTarget) NetworkProblems(context.Context, *project.Project) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.networks, nil
}

func (f *fakeTarget) NameProblems(context.Context, *project.Project) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.names, nil
}

func (f *fakeTarget) Apply(ctx context.Context, p *project.Project, o project.ApplyOptions) error {
	observed, err := f.Containers(ctx, p.Name)
	if err != nil {
		return err
	}
	plan, err := f.Plan(ctx, p, observed)
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.applies++
	f.mu.Unlock()
	if (&state.Changes{Services: plan}).Empty() {
		return ctx.Err()
	}
	if o.Changing != nil {
		if err := o.Changing(ctx, "containers"); err != nil {
			return err
		}
	}
	if err := f.at(ctx, "apply", p, o.Log); err != nil {
		return err
	}
	if err := f.change(p, plan); err != nil {
		return err
	}
	return f.at(ctx, "applied", p, o.Log)
}

// change does what the plan says.
func (f *fakeTarget) change(p *project.Project, plan []state.ServiceChange) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes++
	have := f.containers[p.Name]
	if have == nil {
		have = map[string]project.Container{}
		f.containers[p.Name] = have
	}
	var failed error
	for i, step := range plan {
		if step.Action == state.ActionKeep {
			continue
		}
		delete(have, step.Name)
		if step.Action == state.ActionRemove {
			continue
		}
		image := p.Compose.Services[step.Name].Image
		c := project.Container{
			ID: fmt.Sprintf("%s-%d-%d", step.Name, f.changes, i), Name: p.Name + "-" + step.Name + "-1", Service: step.Name,
			ImageID: image, Hash: configHash(p, step.Name), State: "running", Health: "healthy", Created: time.Now(),
		}
		switch ref := f.ref(image); {
		case strings.Contains(ref, "broken"):
			c.State, c.Health, c.ExitCode = "exited", "", 1
			failed = fmt.Errorf("%s exited with code 1", c.Name)
		case strings.Contains(ref, "sick"):
			c.Health = "unhealthy"
		}
		have[step.Name] = c
	}
	return failed
}

func (f *fakeTarget) Exec(context.Context, string, string, []string) (project.ExecResult, error) {
	return project.ExecResult{}, nil
}

func (f *fakeTarget) Logs(_ context.Context, id string, _ int, _ time.Time) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if service, _, _ := strings.Cut(id, "-"); f.says != nil {
		return f.says(service), nil
	}
	return "its last words", nil
}

func (f *fakeTarget) StopContainer(ctx context.Context, id string) error {
	if err := f.at(ctx, "stop", nil, nil); err != nil {
		return err
	}
	f.setState(id, "exited")
	return nil
}

func (f *fakeTarget) StartContainer(ctx context.Context, id string) error {
	if err := f.at(ctx, "start", nil, nil); err != nil {
		return err
	}
	f.setState(id, "running")
	return nil
}

func (f *fakeTarget) setState(id, state string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, services := range f.containers {
		for name, c := range services {
			if c.ID == id {
				c.State = state
				services[name] = c
			}
		}
	}
}

func (f *fakeTarget) Published(context.Context) ([]project.Published, error) { return nil, nil }
func (f *fakeTarget) VolumeUse(context.Context, string) (int64, error)       { return 0, nil }
func (f *fakeTarget) ReadFile(context.Context, string, string, string) (project.ContainerFile, error) {
	return project.ContainerFile{}, fs.ErrNotExist
}

var _ pipeline.Target = (*fakeTarget)(nil)

// stopped is a container that somebody has stopped hard.
func stopped(c *project.Container) { c.State, c.Health, c.ExitCode = "exited", "", 137 }
