package policy

import (
	"path"
	"slices"
	"strconv"
	"strings"
)

// A level is the base from which on something is refused.
type level int

const (
	always   level = iota // whatever the base, none too
	baseline              // what takes over the host, or what is not the stack's own
	strict                // what good practice refuses, too
	onDemand              // only where deny names the rule
)

// A rule is what allow and deny name.
type rule struct {
	name  string
	lifts func(allowed, found string) bool // whether a parameter of allow covers what was found; nil: it takes none
}

var rules = []rule{
	{"capability", sameCapability},
	{"cgroup_parent", nil},
	{"container_namespace", nil},
	{"deployer_files", below},
	{"device", below},
	{"docker_socket", nil},
	{"gpu", nil},
	{"host_cgroup", nil},
	{"host_ipc", nil},
	{"host_network", nil},
	{"host_path", below},
	{"host_pid", nil},
	{"host_userns", nil},
	{"host_uts", nil},
	{"latest_tag", nil},
	{"no_digest", nil},
	{"no_rollback", nil},
	{"privileged", nil},
	{"published_port", samePorts},
	{"registry", below},
	{"runtime", same},
	{"security_opt", same},
	{"sysctl", same},
	{"unencrypted", below},
	{"unverified", nil},
	{"volume_driver", same},
	{"volumes_from", nil},
}

func find(name string) (rule, bool) {
	at := slices.IndexFunc(rules, func(r rule) bool { return r.name == name })
	if at < 0 {
		return rule{}, false
	}
	return rules[at], true
}

// Rules returns the names of all rules, and whether allow may give each a
// parameter.
func Rules() map[string]bool {
	out := make(map[string]bool, len(rules))
	for _, r := range rules {
		out[r.name] = r.lifts != nil
	}
	return out
}

func same(allowed, found string) bool { return allowed == found }

// below covers a path and what lies in it; a registry likewise.
func below(allowed, found string) bool {
	allowed, found = path.Clean(allowed), path.Clean(found)
	return allowed == found || allowed == "/" || strings.HasPrefix(found, allowed+"/")
}

func sameCapability(allowed, found string) bool { return capability(allowed) == capability(found) }

func samePorts(allowed, found string) bool {
	from, to, ok := ports(allowed)
	first, last, found2 := ports(found)
	return ok && found2 && from <= first && last <= to
}

// ports reads 443 or 8000-8010.
func ports(text string) (first, last int, ok bool) {
	a, b, isRange := strings.Cut(text, "-")
	if !isRange {
		b = a
	}
	first, errA := strconv.Atoi(a)
	last, errB := strconv.Atoi(b)
	return first, last, errA == nil && errB == nil
}
