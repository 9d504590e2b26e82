package policy

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// services judges every container that the project would run: those of its
// services, and what runs before they start.
func (j *judge) services() {
	for _, name := range slices.Sorted(maps.Keys(j.project.Compose.Services)) {
		s := j.project.Compose.Services[name]
		subject := "service " + name
		j.container(subject, name, &s.ContainerSpec)
		for i := range s.PreStart {
			hook := &s.PreStart[i].ContainerSpec
			j.container(subject+", pre_start", name, hook)
			if hook.Image != "" && hook.Image != s.Image {
				j.image(subject+", pre_start", hook.Image)
			}
		}
		for _, hook := range slices.Concat(s.PostStart, s.PreStop) {
			j.privileged(subject, "privileged: true on a hook", hook.Privileged)
		}
		j.ports(subject, s.Ports)
		j.build(subject, name, s.Build)
		j.reserved(subject, s.Deploy)
		if s.Image != "" {
			j.image(subject, s.Image)
		}
	}
}

func (j *judge) container(subject, service string, c *types.ContainerSpec) {
	j.privileged(subject, "privileged: true", c.Privileged)
	j.namespaces(subject, c)
	j.capabilities(subject, c.CapAdd)
	j.securityOptions(subject, c.SecurityOpt)
	j.devices(subject, c)
	j.mounts(subject, service, c)
	j.kernel(subject, c)
}

func (j *judge) privileged(subject, what string, is bool) {
	if is {
		j.find(finding{rule: "privileged", from: baseline, subject: subject, what: what,
			why:    "a privileged container has the host's devices and all of root's rights: it is root on the host",
			remedy: "take it out, and give the one capability or device that is needed"})
	}
}

// namespaces are what a container shares with the host or with containers
// that are not of this project.
func (j *judge) namespaces(subject string, c *types.ContainerSpec) {
	for _, n := range []struct{ rule, key, value, why string }{
		{"host_network", "network_mode", c.NetworkMode, "the container reaches every service that listens on the host's loopback, and its abstract sockets"},
		{"host_pid", "pid", c.Pid, "the container sees the host's processes, their environment and files"},
		{"host_ipc", "ipc", c.Ipc, "the container reads and writes the host's shared memory"},
		{"host_uts", "uts", c.Uts, "the container can rename the host"},
		{"host_userns", "userns_mode", c.UserNSMode, "root in the container is root on the host"},
		{"host_cgroup", "cgroup", c.Cgroup, "the container sees the host's control groups"},
	} {
		switch {
		case n.value == "host":
			j.find(finding{rule: n.rule, from: baseline, subject: subject, what: n.key + ": host", why: n.why,
				remedy: "take it out"})
		case strings.HasPrefix(n.value, "container:"):
			j.otherContainer(subject, n.key+": "+n.value, "share with a service of this project: service:NAME")
		}
	}
	for _, from := range c.VolumesFrom {
		if strings.HasPrefix(from, "container:") {
			j.find(finding{rule: "volumes_from", from: baseline, subject: subject, what: "volumes_from: " + from,
				why:    "it gets every mount of a container that is not of this project",
				remedy: "name the volumes under volumes:"})
		}
	}
}

func (j *judge) otherContainer(subject, what, remedy string) {
	j.find(finding{rule: "container_namespace", from: baseline, subject: subject, what: what,
		why: "it enters a container that may be of another project, or deployer's own", remedy: remedy})
}

// takesOver are capabilities that lead out of the container, or change the host.
var takesOver = []string{
	"ALL", "AUDIT_CONTROL", "BPF", "CHECKPOINT_RESTORE", "DAC_READ_SEARCH", "LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE",
	"PERFMON", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_MODULE", "SYS_PTRACE", "SYS_RAWIO", "SYS_TIME", "WAKE_ALARM",
}

// usual are those that the Engine gives to every container anyway.
var usual = []string{
	"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE",
	"NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}

// capability is a capability as both spellings have it: without CAP_.
func capability(name string) string {
	return strings.TrimPrefix(strings.ToUpper(strings.TrimSpace(name)), "CAP_")
}

func (j *judge) capabilities(subject string, added []string) {
	for _, raw := range added {
		name := capability(raw)
		f := finding{rule: "capability", from: strict, parameter: name, subject: subject, what: "cap_add: " + raw,
			why: "it is more than the Engine gives to a container", remedy: "take it out"}
		switch {
		case slices.Contains(usual, name):
			continue
		case slices.Contains(takesOver, name):
			f.from, f.why = baseline, "with it a container can leave its bounds or change the host"
		}
		j.find(f)
	}
}

// securityOptions judges what lifts the Engine's own bounds. Both ways of
// writing them are there: key:value and key=value.
func (j *judge) securityOptions(subject string, options []string) {
	for _, raw := range options {
		key, value, _ := strings.Cut(strings.Replace(raw, "=", ":", 1), ":")
		why := ""
		switch key {
		case "seccomp":
			if value != "builtin" {
				why = "it replaces the Engine's filter of system calls"
			}
		case "apparmor":
			if value != "docker-default" {
				why = "it replaces the Engine's AppArmor profile"
			}
		case "systempaths":
			why = "it uncovers the parts of /proc and /sys that the Engine hides"
		case "no-new-privileges":
			if on, err := strconv.ParseBool(value); value != "" && (err != nil || !on) {
				why = "it turns off what keeps programs from gaining rights"
			}
		case "label":
			if harmless := []string{"type:container_t", "type:container_init_t", "type:container_kvm_t"}; !strings.HasPrefix(value, "level:") && !slices.Contains(harmless, value) {
				why = "it takes the container out of SELinux's bounds"
			}
		case "writable-cgroups":
			if value != "false" {
				why = "the container can change control groups"
			}
		}
		if why != "" {
			j.find(finding{rule: "security_opt", from: baseline, parameter: raw, subject: subject,
				what: "security_opt: " + raw, why: why, remedy: "take it out"})
		}
	}
}

// kernel judges what good practice leaves as the host has it.
func (j *judge) kernel(subject string, c *types.ContainerSpec) {
	if c.CgroupParent != "" {
		j.find(finding{rule: "cgroup_parent", from: strict, subject: subject, what: "cgroup_parent: " + c.CgroupParent,
			why: "the container leaves the control group that bounds it", remedy: "take it out"})
	}
	if c.Runtime != "" && c.Runtime != "runc" {
		j.find(finding{rule: "runtime", from: strict, parameter: c.Runtime, subject: subject, what: "runtime: " + c.Runtime,
			why: "another runtime may bound the container less", remedy: "take it out"})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sysctls)) {
		j.find(finding{rule: "sysctl", from: strict, parameter: name, subject: subject,
			what: fmt.Sprintf("sysctls: %s", name), why: "it changes how the kernel treats the container", remedy: "take it out"})
	}
}

// build judges the rights of a build, which runs on the Engine's host too.
func (j *judge) build(subject, service string, b *types.BuildConfig) {
	if b == nil {
		return
	}
	j.bases(subject, service)
	j.privileged(subject, "build: privileged: true", b.Privileged)
	for _, e := range b.Entitlements {
		switch e {
		case "security.insecure":
			j.privileged(subject, "build: entitlements: "+e, true)
		case "network.host":
			j.hostNetwork(subject, "build: entitlements: "+e)
		}
	}
	switch {
	case b.Network == "host":
		j.hostNetwork(subject, "build: network: host")
	case strings.HasPrefix(b.Network, "container:"):
		j.otherContainer(subject, "build: network: "+b.Network, "leave the network of a build to the Engine")
	}
}

func (j *judge) hostNetwork(subject, what string) {
	j.find(finding{rule: "host_network", from: baseline, subject: subject, what: what,
		why: "it reaches every service that listens on the host's loopback", remedy: "take it out"})
}

// networks judges those that stand for the host's own.
func (j *judge) networks() {
	for _, key := range slices.Sorted(maps.Keys(j.project.Compose.Networks)) {
		n := j.project.Compose.Networks[key]
		if n.Name == "host" || n.Driver == "host" {
			j.hostNetwork("network "+key, "it is the host's network")
		}
	}
}
