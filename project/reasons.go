package project

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// image says which image a service changes to; where the reference stays, the
// image behind it may not.
func (c comparison) image(name string, a, b types.ServiceConfig) string {
	x, y := c.old.imageOf(name, a), c.next.imageOf(name, b)
	switch {
	case x.Ref != y.Ref:
		return fmt.Sprintf("image %s → %s", c.public(x.Ref, "(built)"), c.public(y.Ref, "(built)"))
	case x.ID != "" && y.ID != "" && x.ID != y.ID:
		return fmt.Sprintf("image %s is another one now: %s → %s", c.public(y.Ref, "(built)"), brief(x.ID), brief(y.ID))
	}
	return ""
}

func (p *Project) imageOf(service string, s types.ServiceConfig) Image {
	if image, ok := p.Images[service]; ok {
		return image
	}
	return Image{Ref: s.Image}
}

func brief(id string) string {
	id = strings.TrimPrefix(id, "sha256:")
	return id[:min(len(id), 12)]
}

// environment names the variables that differ, with their values where both
// are public.
func (c comparison) environment(a, b types.MappingWithEquals) string {
	var out []string
	for _, name := range unionOf(a, b) {
		x, before := a[name]
		y, after := b[name]
		switch {
		case !before:
			out = append(out, name+" added")
		case !after:
			out = append(out, name+" removed")
		case (x == nil) != (y == nil), x != nil && *x != *y:
			out = append(out, name+c.change(x, y))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "environment: " + strings.Join(out, ", ")
}

func (c comparison) change(x, y *string) string {
	if x == nil || y == nil || c.old.taint.hidden || c.next.taint.hidden || c.secret(*x) || c.secret(*y) || strings.Contains(*x+*y, "\n") || len(*x)+len(*y) > 160 {
		return " changed"
	}
	return fmt.Sprintf(" %s → %s", cmp.Or(*x, `""`), cmp.Or(*y, `""`))
}

// secret asks both projects: a value may have been public only before.
func (c comparison) secret(text string) bool {
	return c.old.taint.secret(text) || c.next.taint.secret(text)
}

func (c comparison) public(text, empty string) string {
	if c.secret(text) {
		return "[redacted]"
	}
	return cmp.Or(text, empty)
}

func (c comparison) ports(a, b []types.ServicePortConfig) string {
	x, y := c.portList(a), c.portList(b)
	if slices.Equal(x, y) {
		return ""
	}
	return fmt.Sprintf("ports: %s → %s", cmp.Or(strings.Join(x, ", "), "none"), cmp.Or(strings.Join(y, ", "), "none"))
}

func (c comparison) portList(ports []types.ServicePortConfig) []string {
	var out []string
	for _, p := range ports {
		text := fmt.Sprint(p.Target)
		if p.Published != "" {
			text = p.Published + ":" + text
		}
		if p.HostIP != "" {
			text = p.HostIP + ":" + text
		}
		if p.Protocol != "" && p.Protocol != "tcp" {
			text += "/" + p.Protocol
		}
		out = append(out, c.public(text, ""))
	}
	slices.Sort(out)
	return out
}

// mounts names what is mounted differently: files of the repository by their
// path, everything else by its place in the container.
func (c comparison) mounts(service string, a, b []types.ServiceVolumeConfig) string {
	x, y := c.old.mountList(service, a), c.next.mountList(service, b)
	var out []string
	for _, target := range unionOf(x, y) {
		o, before := x[target]
		n, after := y[target]
		switch {
		case !before:
			out = append(out, n.name+" added")
		case !after:
			out = append(out, o.name+" removed")
		case o.state != n.state && o.name != n.name:
			out = append(out, o.name+" → "+n.name)
		case o.state != n.state:
			out = append(out, n.name)
		}
	}
	if len(out) == 0 {
		return ""
	}
	return "mounts: " + strings.Join(out, ", ")
}

// mounted is a mount as people know it, and what it is compared by.
type mounted struct{ name, state string }

func (p *Project) mountList(service string, volumes []types.ServiceVolumeConfig) map[string]mounted {
	out := map[string]mounted{}
	for _, v := range volumes {
		name := v.Target
		if v.Type == types.VolumeTypeVolume && v.Source != "" {
			name = v.Source + ":" + v.Target
		}
		out[v.Target] = mounted{name: name, state: fmt.Sprintf("%s %s %t", v.Type, v.Source, v.ReadOnly)}
	}
	for _, m := range p.Mounts {
		if at, ok := out[m.Target]; ok && m.Service == service && m.Path != "" {
			at.name = shown(p.dir, m.Path)
			out[m.Target] = at
		}
	}
	return out
}
