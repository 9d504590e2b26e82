package check

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
)

// portsCheck looks at the ports of the host: who holds those that the project
// needs, and that it publishes no others than it means to.
type portsCheck struct {
	Free   []port `check:"free"`   // besides those that the project publishes
	Closed []port `check:"closed"` // must not be published, by either side's number

	proc string // where the listeners of this machine are seen
}

func newPorts() Check { return &portsCheck{proc: "/proc"} }

// A port is a number with its protocol, written as 80 or 53/udp.
type port struct {
	number   int
	protocol string
}

func (p *port) set(t text) error {
	number, protocol, given := strings.Cut(t.plain, "/")
	if !given {
		protocol = "tcp"
	}
	if !isPort(number) || protocol != "tcp" && protocol != "udp" {
		return fmt.Errorf("%q is no port: write 80 or 53/udp", t)
	}
	p.number, _ = strconv.Atoi(number)
	p.protocol = protocol
	return nil
}

func (p port) String() string {
	if p.protocol == "tcp" {
		return strconv.Itoa(p.number)
	}
	return fmt.Sprintf("%d/%s", p.number, p.protocol)
}

// A claim is a port of the host that a service of the project publishes.
type claim struct {
	port
	address string // empty: all
	service string
	target  int
}

func (c *portsCheck) Run(ctx context.Context, w *World) Result {
	if w.Project == nil || w.Project.Compose == nil {
		return skipped("there is no project to look at")
	}
	var r report
	claims := c.claims(&r, w.Project)
	c.closed(&r, claims)
	held, summary := c.held(ctx, &r, w, claims)
	if held == "" {
		return r.result(summary)
	}
	return r.result(held + "; " + summary)
}

// claims reads what the resolved project publishes, and what is wrong with
// that by itself.
func (c *portsCheck) claims(r *report, p *project.Project) []claim {
	var out []claim
	for _, name := range p.Compose.ServiceNames() {
		s := p.Compose.Services[name]
		for _, published := range s.Ports {
			if published.Published == "" {
				r.fail(fmt.Sprintf("service %s publishes its port %d on a random port of the host: the host's side is empty", name, published.Target),
					"set the variable in it, or leave the entry out where the port is not to be published; expose: is for other containers")
				continue
			}
			for _, number := range portsOf(published) {
				mine := claim{port{number, protocolOf(published)}, published.HostIP, name, int(published.Target)}
				for _, other := range out {
					if other.port == mine.port && overlap(other.address, mine.address) {
						r.fail(fmt.Sprintf("services %s and %s both publish port %s", other.service, name, mine.port), "give one of them another port")
					}
				}
				out = append(out, mine)
			}
			if scale := s.GetScale(); scale > 1 && len(portsOf(published)) < scale {
				r.fail(fmt.Sprintf("service %s has %d containers for port %s of the host", name, scale, published.Published), "publish a range of ports, or none")
			}
		}
	}
	return out
}

func protocolOf(p types.ServicePortConfig) string {
	if p.Protocol == "" {
		return "tcp"
	}
	return p.Protocol
}

// portsOf are the ports of the host: one, or a range.
func portsOf(p types.ServicePortConfig) []int {
	from, to, isRange := strings.Cut(p.Published, "-")
	first, err := strconv.Atoi(from)
	last := first
	if isRange && err == nil {
		last, err = strconv.Atoi(to)
	}
	if err != nil || last-first > 1<<16 {
		return nil
	}
	var out []int
	for n := first; n <= last; n++ {
		out = append(out, n)
	}
	return out
}

// overlap reports whether two addresses of the host cannot both be listened on
// with one port.
func overlap(a, b string) bool {
	wild := func(s string) bool { return s == "" || s == "0.0.0.0" || s == "::" }
	return wild(a) || wild(b) || a == b
}

func (c *portsCheck) closed(r *report, claims []claim) {
	for _, mine := range claims {
		for _, p := range c.Closed {
			if p.protocol == mine.protocol && (p.number == mine.number || p.number == mine.target) {
				r.fail(fmt.Sprintf("service %s publishes port %d as %s of the host, and %s must stay closed", mine.service, mine.target, mine.port, p),
					"leave it out of ports: in this environment; what is behind the proxy needs no port of its own")
			}
		}
	}
}

// held says who holds the ports that are wanted.
func (c *portsCheck) held(ctx context.Context, r *report, w *World, claims []claim) (evidence, summary string) {
	wanted := slices.Clone(claims)
	for _, p := range c.Free {
		if !slices.ContainsFunc(claims, func(m claim) bool { return m.port == p }) {
			wanted = append(wanted, claim{port: p})
		}
	}
	if len(wanted) == 0 {
		return "", "the project publishes no port"
	}
	if w.Engine == nil {
		r.warn("not proven that the ports are free: no Engine is reached from here", "see on the target with: ss -ltnp")
		return "", plural(len(wanted), "port") + " wanted"
	}
	published, err := w.Engine.Published(ctx)
	if err != nil {
		r.fail("the Engine does not list the published ports: "+reason(err), "see that Docker runs on the target")
		return "", ""
	}
	o := observer{ctx: ctx, w: w, published: published}
	if o.blind = c.look(&o); o.blind != "" {
		r.warn("not proven that no process holds a port: "+o.blind, "see on the target with: ss -ltnp")
	}
	var free, own []string
	for _, want := range wanted {
		switch who, mine := o.holder(want); {
		case who == "":
			free = append(free, want.port.String())
		case mine:
			own = append(own, want.port.String())
		default:
			r.fail(fmt.Sprintf("port %s is held by %s", want.port, who), "stop it, or give one of the two another port")
		}
	}
	var said []string
	if len(own) > 0 {
		said = append(said, "held by this project: "+strings.Join(own, ", "))
	}
	if len(free) > 0 {
		said = append(said, "free: "+strings.Join(free, ", "))
	}
	return strings.Join(said, "; "), plural(len(claims), "port") + " published"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
