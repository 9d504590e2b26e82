package policy

import (
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

// sensitive are folders of the host that are nobody's data: with one of them,
// or with a folder that they lie in, a container reads or changes the host.
var sensitive = []string{
	"/bin", "/boot", "/dev", "/efi", "/etc", "/home", "/lib", "/lib32", "/lib64", "/libx32", "/nix", "/proc", "/root", "/run", "/sbin",
	"/snap", "/sys", "/usr",
	"/opt/cni", "/opt/containerd", "/var/backups", "/var/lib/apt", "/var/lib/cloud", "/var/lib/containerd", "/var/lib/containers",
	"/var/lib/docker", "/var/lib/dpkg", "/var/lib/kubelet", "/var/lib/libvirt", "/var/lib/lxc", "/var/lib/lxd", "/var/lib/machines",
	"/var/lib/rancher", "/var/lib/rpm", "/var/lib/snapd", "/var/lib/systemd", "/var/log", "/var/run", "/var/snap", "/var/spool/at",
	"/var/spool/cron",
}

// harmless are paths below them that show nothing of the host when they are
// mounted read-only.
var harmless = []string{
	"/etc/localtime", "/etc/timezone", "/etc/ssl/certs", "/etc/ca-certificates",
	"/usr/share/ca-certificates", "/usr/share/zoneinfo",
}

// sockets are where Engines usually listen. Whoever reaches one is root.
var sockets = []string{
	"/run/docker.sock", "/run/containerd/containerd.sock", "/run/docker/containerd/containerd.sock", "/run/podman/podman.sock", "/run/crio/crio.sock", "/run/buildkit/buildkitd.sock",
}

func (j *judge) mounts(subject, service string, c *types.ContainerSpec) {
	if c.UseAPISocket {
		j.socket(subject, "use_api_socket: true")
	}
	for _, v := range c.Volumes {
		if v.Type == types.VolumeTypeImage {
			j.image(subject, v.Source)
			continue
		}
		if v.Type != types.VolumeTypeBind && !path.IsAbs(v.Source) {
			continue
		}
		kind, placed := j.placed(service, v)
		switch {
		case !placed:
			j.hostPath(subject, "mount of "+v.Source, v.Source, v.ReadOnly)
		case kind == project.MountData:
			j.data(subject, v.Source)
		}
	}
}

// placed reports whether a bind is content that deployer provides: a tracked
// file, the stack's own data, a secret.
func (j *judge) placed(service string, v types.ServiceVolumeConfig) (project.MountKind, bool) {
	for _, m := range j.project.Mounts {
		if m.Service == service && m.Host == v.Source && m.Target == v.Target && m.ReadOnly == v.ReadOnly {
			return m.Kind, m.Kind != project.MountHost
		}
	}
	return "", false
}

// data judges a path of the stack's own data. A container may have made a
// symlink there, and the Engine follows it.
func (j *judge) data(subject, source string) {
	h := j.policy.host
	if h.Resolve == nil || h.Data == "" {
		return
	}
	real, err := h.Resolve(source)
	if err != nil {
		j.find(finding{rule: "host_path", from: baseline, parameter: source, subject: subject, what: "mount of " + source,
			why:    "whether a symlink on the way leads out of the stack's data cannot be seen: " + err.Error(),
			remedy: "mount a folder above it, or let deployer's user pass through (chmod o+x)"})
	} else if !below(h.resolved(h.Data), real) {
		j.find(finding{rule: "host_path", from: baseline, parameter: real, subject: subject, what: "mount of " + source,
			why:    "a symlink in the stack's data leads out of it, to " + real,
			remedy: "remove the symlink on the server"})
		j.hostPath(subject, "mount of "+source+", a symlink to "+real, real, false)
	}
}

// hostPath judges a path of the host, as it is written and as it is.
func (j *judge) hostPath(subject, what, source string, readOnly bool) {
	written := path.Clean(source)
	names := []string{unalias(written)}
	if h := j.policy.host; h.Resolve != nil {
		if real := unalias(h.resolved(written)); real != names[0] {
			names = append(names, real)
		}
	}
	j.owned(subject, what, names)
	for _, socket := range j.sockets() {
		if slices.ContainsFunc(names, func(n string) bool { return below(n, socket) || below(n, "/var"+socket) }) {
			j.socket(subject, what)
			break
		}
	}
	if slices.ContainsFunc(j.sockets(), func(s string) bool { return slices.Contains(names, s) }) {
		return // the socket is all that is mounted, and has a rule of its own
	}
	f := finding{rule: "host_path", from: strict, parameter: written, subject: subject, what: what,
		why: "an absolute path is not the stack's own", remedy: "keep the data in the stack's folder (./data) or in a named volume"}
	if j.isSensitive(names[0], readOnly) {
		f.from, f.why = baseline, "with it the container reads or changes the host itself"
	}
	j.find(f)
	for _, real := range names[1:] {
		if j.isSensitive(real, readOnly) {
			j.find(finding{rule: "host_path", from: baseline, parameter: real, subject: subject, what: what + ", which is " + real,
				why: "with it the container reads or changes the host itself", remedy: "mount another path"})
		}
	}
}

func (j *judge) isSensitive(p string, readOnly bool) bool {
	if readOnly && slices.ContainsFunc(harmless, func(h string) bool { return below(h, p) }) {
		return false
	}
	return slices.ContainsFunc(j.sensitive(), func(s string) bool { s = unalias(s); return below(s, p) || below(p, s) })
}

// sensitive are those folders, and the one that the Engine keeps its data in. It
// is asked once: one that hangs takes its time to be given up.
func (j *judge) sensitive() []string {
	if j.folders != nil {
		return j.folders
	}
	j.folders = sensitive
	if h := j.policy.host; h.Root != nil {
		if root := h.Root(); root != "" {
			j.folders = append(slices.Clone(sensitive), root)
		}
	}
	return j.folders
}

// owned judges whether a path shows what is deployer's own.
func (j *judge) owned(subject, what string, names []string) {
	for _, own := range j.policy.host.Own {
		own := path.Clean(own)
		places := []string{unalias(own)}
		if h := j.policy.host; h.Resolve != nil {
			places = append(places, unalias(h.resolved(own)))
		}
		for _, place := range places {
			for _, name := range names {
				if below(place, name) || below(name, place) {
					j.find(finding{rule: "deployer_files", from: always, parameter: name, subject: subject, what: what,
						why:    "it shows deployer's own files, " + own + ": keys, credentials or other stacks' secrets",
						remedy: "mount another path"})
					return
				}
			}
		}
	}
}

func (j *judge) socket(subject, what string) {
	j.find(finding{rule: "docker_socket", from: always, subject: subject, what: what,
		why:    "whoever reaches an Engine's socket is root on the host, read-only mounts too",
		remedy: "put a proxy between that only answers what is needed"})
}

func (j *judge) sockets() []string {
	all := slices.Clone(sockets)
	for _, s := range j.policy.host.Sockets {
		all = append(all, unalias(path.Clean(s)))
		if h := j.policy.host; h.Resolve != nil {
			all = append(all, unalias(h.resolved(s)))
		}
	}
	return all
}

// unalias gives /var/run the name of the folder that it stands for everywhere.
func unalias(p string) string {
	if p == "/var/run" || strings.HasPrefix(p, "/var/run/") {
		return strings.TrimPrefix(p, "/var")
	}
	return p
}
