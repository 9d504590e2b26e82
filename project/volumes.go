package project

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// volumeName is what the Engine takes for the name of a volume. What is none
// it may take for a folder of its host.
var volumeName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// placeVolumes places the folders that named volumes bind.
func (l *load) placeVolumes(c *types.Project) ([]Mount, error) {
	var out []Mount
	for _, name := range slices.Sorted(maps.Keys(c.Volumes)) {
		v := c.Volumes[name]
		m, err := l.placeVolume(v)
		if err != nil {
			return nil, fmt.Errorf("volume %s: %w", name, err)
		}
		if m != nil {
			v.DriverOpts["device"] = m.Host
			out = append(out, *m)
		}
	}
	return out, nil
}

// placeVolume is where a folder of the tree is that a volume binds; nil where
// it binds none.
func (l *load) placeVolume(v types.VolumeConfig) (*Mount, error) {
	_, kept := l.src.Tree.(*Recipe) // what a kept release says was taken once, and must not block the next one
	if !kept && !volumeName.MatchString(v.Name) {
		return nil, fmt.Errorf("%q is no name of a volume: write letters, digits, _, . and -; a folder of the host is mounted by its path under the service's volumes", v.Name)
	}
	if v.Driver != "" && v.Driver != "local" || !Binds(v.DriverOpts["o"]) {
		return nil, nil
	}
	device := v.DriverOpts["device"]
	if !path.IsAbs(device) {
		if kept {
			return nil, nil
		}
		return nil, fmt.Errorf("driver_opts: device %q is relative, and the Engine would begin at the folder that it was started in; write `driver: local` and `o: bind` alone for a folder beside the compose file", device)
	}
	p, err := l.inTree(device)
	if err != nil { // of the host, which policy judges
		return nil, nil
	}
	e, err := l.view.entry(p)
	if err != nil {
		return nil, err
	}
	if e.Kind != entryAbsent && !e.Hollow {
		return nil, errors.New(l.shown(p) + " has content in Git, which a named volume would hide; mount the path itself")
	}
	return &Mount{Kind: MountData, Path: p, Host: l.dataPath(p), Dir: true}, nil
}

// Binds reports whether the options of a mount make it a bind. For the kernel
// it is one then, whatever file system its type names.
func Binds(options string) bool {
	return slices.ContainsFunc(strings.Split(options, ","), func(o string) bool {
		o = strings.TrimSpace(o)
		return o == "bind" || o == "rbind"
	})
}
