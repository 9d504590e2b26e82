package project

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/secrets"
)

// Details say of a Difference what people look for in a review. They hold no
// secret value.
type Details struct {
	Images []ImageDifference
	Opened []PortDifference // ports of the host, sorted by service
	Closed []PortDifference
	Moved  []Moved            // places in containers where other data is mounted now
	Passed []PassedDifference // variables of services that stay
	Values []ValueDifference
	Files  []FileDifference
}

// An ImageDifference is another image of a service. Old or New is empty where
// the service is new or gone.
type ImageDifference struct {
	Service  string
	Old, New Image
}

// A PortDifference is a port that the host did not, or does no longer, publish.
type PortDifference struct{ Service, Port string }

// Moved is a place in a container whose volume is another one now: the data
// does not follow.
type Moved struct {
	Service, Target string
	From, To        string // To is empty where nothing is mounted any more
}

// A PassedDifference is a variable that a service gets, or gets no longer.
type PassedDifference struct {
	Service, Name string
	Action        Action
}

// A ValueDifference is another value of a variable of the env file; the values
// are only there where both are public.
type ValueDifference struct {
	Name     string
	Action   Action
	Secret   bool
	Old, New string
}

// A FileDifference is another content of what the repository has and
// containers mount.
type FileDifference struct {
	Path     string // as people know it, from the stack's folder
	Action   Action
	Services []string
}

// Detail finds what sets next apart from old, which may be nil, in detail.
func Detail(old, next *Project) Details {
	if old == nil {
		old = &Project{Compose: &types.Project{}, taint: &taint{}}
	}
	c := comparison{old: old, next: next}
	var d Details
	for _, name := range unionOf(old.Compose.Services, next.Compose.Services) {
		a, b := old.Compose.Services[name], next.Compose.Services[name]
		if i, differs := c.imageDetail(name, a, b); differs {
			d.Images = append(d.Images, i)
		}
		x, y := c.hostPorts(a.Ports), c.hostPorts(b.Ports)
		d.Opened = append(d.Opened, portsBeyond(name, y, x)...)
		d.Closed = append(d.Closed, portsBeyond(name, x, y)...)
		_, before := old.Compose.Services[name]
		if _, stays := next.Compose.Services[name]; stays && before {
			d.Moved = append(d.Moved, c.moved(name, a.Volumes, b.Volumes)...)
			if !old.adopted() { // whose variables are those of the image too
				d.Passed = append(d.Passed, passed(name, a.Environment, b.Environment)...)
			}
		}
	}
	d.Values = c.values()
	d.Files = c.files()
	return d
}

func (c comparison) imageDetail(name string, a, b types.ServiceConfig) (ImageDifference, bool) {
	x, y := c.old.imageOf(name, a), c.next.imageOf(name, b)
	if x.Ref == y.Ref && (x.ID == y.ID || x.ID == "" || y.ID == "") || c.old.adopted() && x.ID == y.ID && x.ID != "" {
		return ImageDifference{}, false
	}
	for _, i := range []*Image{&x, &y} {
		if i.Ref != "" {
			i.Ref = c.public(i.Ref, "")
		}
	}
	return ImageDifference{Service: name, Old: x, New: y}, true
}

// hostPorts are the ports that a service publishes on its host.
func (c comparison) hostPorts(ports []types.ServicePortConfig) []string {
	published := slices.DeleteFunc(slices.Clone(ports), func(p types.ServicePortConfig) bool { return p.Published == "" })
	return c.portList(published)
}

func portsBeyond(service string, these, those []string) (out []PortDifference) {
	for _, port := range these {
		if !slices.Contains(those, port) {
			out = append(out, PortDifference{service, port})
		}
	}
	return out
}

// moved finds the places of a volume where another one, or none, is now. One
// volume may have two keys.
func (c comparison) moved(service string, a, b []types.ServiceVolumeConfig) (out []Moved) {
	for _, before := range a {
		if before.Type != types.VolumeTypeVolume || before.Source == "" {
			continue
		}
		m := Moved{Service: service, Target: before.Target, From: before.Source}
		for _, after := range b {
			if after.Target == before.Target {
				m.To = cmp.Or(after.Source, "an anonymous volume")
			}
		}
		from, to := c.old.Compose.Volumes[m.From].Name, c.next.Compose.Volumes[m.To].Name
		if m.To != m.From && (from == "" || from != to) {
			out = append(out, m)
		}
	}
	return out
}

func passed(service string, a, b types.MappingWithEquals) (out []PassedDifference) {
	for _, name := range unionOf(a, b) {
		_, before := a[name]
		switch _, after := b[name]; {
		case !before:
			out = append(out, PassedDifference{service, name, Added})
		case !after:
			out = append(out, PassedDifference{service, name, Removed})
		}
	}
	return out
}

const longestValue = 80 // runes of a public value that are shown

// values compares the env files.
func (c comparison) values() (out []ValueDifference) {
	x, y := variables(c.old.Env), variables(c.next.Env)
	if c.old.adopted() { // of no file, and nobody has said which are secret
		x = nil
	}
	for _, name := range unionOf(x, y) {
		a, before := x[name]
		b, after := y[name]
		d := ValueDifference{Name: name, Secret: a.Secret || b.Secret}
		switch {
		case !before:
			d.Action = Added
		case !after:
			d.Action = Removed
		case a.Value.Reveal() != b.Value.Reveal():
			d.Action = Changed
		default:
			continue
		}
		if old, next := a.Value.Reveal(), b.Value.Reveal(); !d.Secret && !c.secret(old) && !c.secret(next) {
			d.Old, d.New = brieflyShown(old), brieflyShown(next)
		}
		out = append(out, d)
	}
	return out
}

func variables(env *secrets.Env) map[string]secrets.Var {
	out := map[string]secrets.Var{}
	if env != nil {
		for _, v := range env.Vars() {
			out[v.Name] = v
		}
	}
	return out
}

func brieflyShown(text string) string {
	text = strings.ReplaceAll(text, "\n", "⏎")
	if runes := []rune(text); len(runes) > longestValue {
		return string(runes[:longestValue]) + "…"
	}
	return text
}

// files compares what is mounted of the repository by its content.
func (c comparison) files() (out []FileDifference) {
	x, y := c.old.mountedFiles(), c.next.mountedFiles()
	for _, p := range unionOf(x, y) {
		a, before := x[p]
		b, after := y[p]
		d := FileDifference{Path: p, Action: Changed, Services: b.services}
		switch {
		case !before:
			d.Action = Added
		case !after:
			d.Action, d.Services = Removed, a.services
		case a.hash == b.hash:
			continue
		}
		out = append(out, d)
	}
	return out
}

type mountedFile struct {
	hash     string
	services []string
}

func (p *Project) mountedFiles() map[string]mountedFile {
	out := map[string]mountedFile{}
	for _, m := range p.Mounts {
		if m.Path == "" || m.Hash == "" {
			continue
		}
		name := shown(p.dir, m.Path)
		f := out[name]
		f.hash = m.Hash
		if m.Service != "" && !slices.Contains(f.services, m.Service) {
			f.services = append(f.services, m.Service)
		}
		out[name] = f
	}
	return out
}

// Alone returns a project of one of the services, with nothing that would have
// its image pulled. It is for asking an Engine what it has.
func (p *Project) Alone(service string) *Project {
	s := p.Compose.Services[service]
	s.PullPolicy = types.PullPolicyNever
	alone := *p.Compose
	alone.Services = types.Services{service: s}
	return &Project{Name: p.Name, Compose: &alone, taint: p.taint}
}

// Services are the names of the project's services, sorted.
func (p *Project) Services() []string { return slices.Sorted(maps.Keys(p.Compose.Services)) }

// String says what was moved in words.
func (m Moved) String() string {
	if m.To == "" {
		return fmt.Sprintf("service %s mounts nothing at %s any more", m.Service, m.Target)
	}
	return fmt.Sprintf("service %s mounts %s at %s instead; the data does not follow", m.Service, m.To, m.Target)
}
