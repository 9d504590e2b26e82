package project

import (
	"fmt"
	"slices"
	"strings"
)

// A Difference is what sets two projects apart, in words for people. It holds
// no secret value.
type Difference struct {
	Services []ServiceDifference // sorted by name; services that are alike are not in it

	VolumesChanged  []string // volumes of both whose definition differs; data does not follow
	VolumesAdded    []string
	VolumesRemoved  []string // by name in the compose file; their data stays
	NetworksChanged []string
	NetworksAdded   []string
	NetworksRemoved []string
}

// Action says what became of a service.
type Action string

const (
	Added   Action = "added"
	Removed Action = "removed"
	Changed Action = "changed"
)

// A ServiceDifference is what changed about one service.
type ServiceDifference struct {
	Name    string
	Action  Action
	Reasons []string // for Changed; "image nginx:1.27 → nginx:1.28"
}

// Scaled reports whether nothing of a service changed but how many containers
// it has.
func (s ServiceDifference) Scaled() (from, to int, ok bool) {
	if s.Action != Changed || len(s.Reasons) != 1 {
		return 0, 0, false
	}
	n, _ := fmt.Sscanf(s.Reasons[0], scaled, &from, &to)
	return from, to, n == 2
}

const scaled = "scale %d → %d"

// Empty reports whether the projects are alike.
func (d Difference) Empty() bool {
	return len(d.Services) == 0 &&
		len(d.VolumesChanged)+len(d.VolumesAdded)+len(d.VolumesRemoved) == 0 &&
		len(d.NetworksChanged)+len(d.NetworksAdded)+len(d.NetworksRemoved) == 0
}

// Service returns what changed about a service, and whether anything did.
func (d Difference) Service(name string) (ServiceDifference, bool) {
	i := slices.IndexFunc(d.Services, func(s ServiceDifference) bool { return s.Name == name })
	if i < 0 {
		return ServiceDifference{}, false
	}
	return d.Services[i], true
}

// Why says in one line what changed about a service; empty for nothing.
func (d Difference) Why(service string) string {
	s, ok := d.Service(service)
	switch {
	case !ok:
		return ""
	case s.Action == Added:
		return "new service"
	case s.Action == Removed:
		return "no longer in the compose file"
	}
	return strings.Join(s.Reasons, "; ")
}
