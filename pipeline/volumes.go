package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"deployer/project"
)

// Volumes is what a Target can do besides where its volumes can be backed up.
// Its methods may be repeated after a crash at any point.
type Volumes interface {
	VolumeExists(ctx context.Context, name string) (bool, error)
	// ReadVolume hands the content of a volume to fn, as a tar stream.
	ReadVolume(ctx context.Context, projectName, name string, fn func(io.Reader) error) error
	// WriteVolume adds such a stream to the content of a volume.
	WriteVolume(ctx context.Context, projectName, name string, content io.Reader) error
	// RenewVolume makes a volume anew and empty, with the containers that
	// mount it removed.
	RenewVolume(ctx context.Context, p *project.Project, name string) error
	RemoveVolume(ctx context.Context, name string) error
	// KeepsContent says why RenewVolume would not empty a volume; empty where it does.
	KeepsContent(ctx context.Context, name string) (why string, err error)
	// Users lists the containers that mount one of the volumes, of whatever project.
	Users(ctx context.Context, volumes []string) ([]project.VolumeUser, error)
	Pause(ctx context.Context, containers []string) error
	StopContainers(ctx context.Context, containers []string) error
	// LetGo undoes Pause, or StopContainers, of containers in the order in
	// which they are started.
	LetGo(ctx context.Context, projectName string, containers []string, stopped bool) error
	// RemoveHelpers removes what a crash has left of reading and writing.
	RemoveHelpers(ctx context.Context, projectName string) error
}

// volumes are those of the stack's target.
func (s *Stack) volumes() (Volumes, error) {
	v, ok := s.Target.(Volumes)
	if !ok {
		return nil, WithHint(fmt.Errorf("volumes of the target of stack %s cannot be backed up by this version", s.Name),
			"remove backup: from "+FileName)
	}
	return v, nil
}

// volumeNames are the names on the Engine of volumes that pipeline.yaml names
// by their key in the compose file, or by that name.
func volumeNames(p *project.Project, wanted []string) ([]string, error) {
	known := map[string]string{} // name on the Engine by what it may be called
	for key, v := range p.Compose.Volumes {
		name := cmp.Or(v.Name, p.Name+"_"+key)
		known[name] = name
	}
	for key, v := range p.Compose.Volumes {
		known[key] = cmp.Or(v.Name, p.Name+"_"+key)
	}
	var names []string
	for _, want := range wanted {
		name, ok := known[want]
		if !ok {
			return nil, WithHint(fmt.Errorf("backup.volumes: the compose file has no named volume %s", want),
				"name one of: "+strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// startOrder sorts containers such that what a service depends on comes before it.
func startOrder(p *project.Project, containers []project.VolumeUser) {
	depth := map[string]int{}
	var measure func(name string, seen int) int
	measure = func(name string, seen int) int {
		if d, ok := depth[name]; ok || seen > len(p.Compose.Services) {
			return d
		}
		d := 0
		for other := range p.Compose.Services[name].DependsOn {
			d = max(d, 1+measure(other, seen+1))
		}
		depth[name] = d
		return d
	}
	slices.SortStableFunc(containers, func(a, b project.VolumeUser) int {
		return cmp.Or(cmp.Compare(measure(a.Service, 0), measure(b.Service, 0)), cmp.Compare(a.Name, b.Name))
	})
}
