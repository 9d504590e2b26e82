package compose

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/compose-spec/compose-go/v2/types"
	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/volume"

	"deployer/project"
)

// VolumeProblems names, a sentence each, the volumes that exist on the Engine
// with another driver or other driver options than the project wants, and the
// external ones that do not exist. A changed definition would need the volume
// to be removed, and its data with it.
func (t *Target) VolumeProblems(ctx context.Context, p *project.Project) ([]string, error) {
	want := p.Compose.WithoutUnnecessaryResources()
	var problems []string
	for _, key := range want.VolumeNames() {
		v := want.Volumes[key]
		name := cmp.Or(v.Name, p.Name+"_"+key)
		have, err := t.engine.VolumeInspect(ctx, name)
		switch {
		case cerrdefs.IsNotFound(err) && bool(v.External):
			problems = append(problems, fmt.Sprintf(
				"volume %s is external and does not exist; make it with `docker volume create %s`", key, name))
		case cerrdefs.IsNotFound(err):
		case err != nil:
			return nil, t.reached(fmt.Errorf("volume %s: %w", name, err))
		case bool(v.External):
		default:
			if difference := volumeDifference(v, have); difference != "" {
				problems = append(problems, fmt.Sprintf(
					"volume %s exists as %s with %s, and only removing it with its data would change that; give the volume a new name, or copy the data and remove it yourself",
					key, name, difference))
			}
		}
	}
	return problems, nil
}

// volumeDifference compares what cannot be changed on an existing volume. Its
// labels can differ without harm.
func volumeDifference(want types.VolumeConfig, have volume.Volume) string {
	if driver := cmp.Or(want.Driver, "local"); driver != have.Driver {
		return fmt.Sprintf("driver %s instead of %s", have.Driver, driver)
	}
	names := map[string]bool{}
	for _, options := range []map[string]string{want.DriverOpts, have.Options} {
		for name := range options {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if want.DriverOpts[name] != have.Options[name] {
			return "another value of driver_opts." + name // which may hold a password
		}
	}
	return ""
}
