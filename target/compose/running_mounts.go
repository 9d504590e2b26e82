package compose

import (
	"regexp"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

var anonymous = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readMounts takes what is mounted. Volumes without a name come with the
// image, or are inherited from container to container.
func (f *found) readMounts() {
	s := &f.service
	for _, m := range f.inspected.Mounts {
		v := types.ServiceVolumeConfig{Type: string(m.Type), Source: m.Source, Target: m.Destination, ReadOnly: !m.RW}
		switch {
		case v.Type == types.VolumeTypeVolume && anonymous.MatchString(m.Name):
			if _, ofImage := f.image.Config.Volumes[m.Destination]; ofImage {
				continue
			}
			v.Source = ""
		case v.Type == types.VolumeTypeVolume:
			v.Source = m.Name
		case v.Type == types.VolumeTypeBind && m.Propagation != "" && m.Propagation != "rprivate":
			v.Bind = &types.ServiceVolumeBind{Propagation: string(m.Propagation)}
		case v.Type == types.VolumeTypeTmpfs:
			v.Source = ""
		}
		s.Volumes = append(s.Volumes, v)
	}
	slices.SortFunc(s.Volumes, func(a, b types.ServiceVolumeConfig) int { return strings.Compare(a.Target, b.Target) })
	for target, options := range f.inspected.HostConfig.Tmpfs {
		s.Tmpfs = append(s.Tmpfs, strings.TrimSuffix(target+":"+options, ":"))
	}
	slices.Sort(s.Tmpfs)
}
