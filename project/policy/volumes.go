package policy

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

// network and memory are file systems that a volume may be without showing
// anything of the host.
var (
	memory  = []string{"tmpfs"}
	network = []string{"nfs", "nfs4", "cifs", "smb3"}
)

// volumes judges named volumes that stand for something of the host.
func (j *judge) volumes() {
	for _, name := range slices.Sorted(maps.Keys(j.project.Compose.Volumes)) {
		v := j.project.Compose.Volumes[name]
		subject := "volume " + name
		if slices.Contains(j.policy.host.Volumes, v.Name) {
			j.find(finding{rule: "deployer_files", from: always, parameter: v.Name, subject: subject, what: "name: " + v.Name,
				why: "deployer's own container mounts it: keys, credentials or other stacks' secrets", remedy: "use another volume"})
		}
		if v.Driver != "" && v.Driver != "local" {
			j.find(finding{rule: "volume_driver", from: strict, parameter: v.Driver, subject: subject, what: "driver: " + v.Driver,
				why: "what a driver mounts, and from where, is the driver's to say", remedy: "use the local driver"})
			for _, key := range slices.Sorted(maps.Keys(v.DriverOpts)) {
				if value := v.DriverOpts[key]; path.IsAbs(value) {
					j.hostPath(subject, "driver_opts: "+key+": "+value, value, false)
				}
			}
			continue
		}
		j.volume(subject, v.DriverOpts)
	}
}

func (j *judge) volume(subject string, options types.Options) {
	kind, device := options["type"], options["device"]
	if device != "" && options["o"] == "bind" && slices.ContainsFunc(j.project.Mounts, func(m project.Mount) bool {
		return m.Service == "" && m.Kind == project.MountData && m.Host == device
	}) {
		j.data(subject, device)
		return
	}
	isBind := project.Binds(options["o"])
	switch {
	case len(options) == 0, !isBind && slices.Contains(memory, kind):
		return
	case !isBind && slices.Contains(network, kind):
		j.find(finding{rule: "volume_driver", from: strict, parameter: kind, subject: subject, what: "driver_opts: type: " + kind,
			why: "it mounts a share of another machine", remedy: "use a volume of this host"})
		return
	case !isBind && kind != "" && kind != "none" && kind != "bind":
		j.find(finding{rule: "volume_driver", from: baseline, parameter: kind, subject: subject, what: "driver_opts: type: " + kind,
			why: "it mounts a file system of the host: its disk, its kernel's or an overlay of any folder", remedy: "take driver_opts out"})
	}
	if path.IsAbs(device) { // a relative one does not get this far
		j.hostPath(subject, "driver_opts: device: "+device, device, strings.Contains(","+options["o"]+",", ",ro,"))
	}
	for _, option := range strings.Split(options["o"], ",") { // lowerdir=/a:/b
		_, value, _ := strings.Cut(option, "=")
		for _, p := range strings.Split(value, ":") {
			if path.IsAbs(p) {
				j.hostPath(subject, "driver_opts: o: "+option, p, false)
			}
		}
	}
}
