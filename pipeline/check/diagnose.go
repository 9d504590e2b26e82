package check

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"deployer/project"
	"deployer/state"
)

// A reaching check asks something at an address. Where it fails, the way
// there is walked.
type reaching interface {
	// reaches returns the host and port, whether TLS is spoken, and what is
	// connected to in place of what DNS says.
	reaches() (address text, secure bool, resolve []override)
}

// A serving check is about one service.
type serving interface{ of() (service string) }

func (c *tlsCheck) reaches() (text, bool, []override)      { return c.Host.text, true, c.Resolve }
func (c *httpCheck) reaches() (text, bool, []override)     { return portOfURL(c.URL.text, c.Resolve) }
func (c *registryCheck) reaches() (text, bool, []override) { return portOfURL(c.URL.text, c.Resolve) }
func (c *accessCheck) reaches() (text, bool, []override)   { return portOfURL(c.URL.text, c.Resolve) }

func (c *acmeCheck) reaches() (text, bool, []override) {
	address := net.JoinHostPort(c.Hosts[0].plain, strconv.Itoa(c.Port))
	return text{address, c.Hosts[0].shown}, true, c.Resolve
}

func (c *execCheck) of() string { return c.Service.plain }
func (c *acmeCheck) of() string { return c.Service.plain }

func portOfURL(t text, resolve []override) (text, bool, []override) {
	u, err := url.Parse(t.plain)
	if err != nil {
		return t, false, resolve
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: "443", false: "80"}[u.Scheme == "https"]
	}
	shown := u.Hostname()
	if t.shown != t.plain {
		shown = redacted
	}
	return text{net.JoinHostPort(u.Hostname(), port), shown}, u.Scheme == "https", resolve
}

// diagnosisTime bounds a diagnosis: the evidence is worth a moment more, also
// where the check's own time is over.
const diagnosisTime = 15 * time.Second

// Diagnose adds to the result of a check that has failed finally what is the
// matter: the first broken link on the way to what it asks, and the last
// lines of a container that is down. Other results it returns as they are.
func Diagnose(ctx context.Context, spec Spec, w *World, r Result) Result {
	if r.Status != state.StepFailed || spec.kind == "containers" || errors.Is(ctx.Err(), context.Canceled) {
		return r
	}
	c, _, err := spec.build(w.Env)
	if err != nil {
		return r
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnosisTime)
	defer cancel()
	d := newWalk(ctx, w, c)
	if d.address.plain != "" {
		return d.walk(ctx, r)
	}
	if l := d.containers(ctx, true); l.broken {
		return l.onto(r)
	}
	return r
}

// A link is one part of the way from a client to a service, and how it is.
type link struct {
	name   string // DNS, port, route …
	what   string // evidence; empty where it was not looked at
	broken bool
	hint   string
	lines  string // of a log
}

func whole(name, what string) link { return link{name: name, what: what} }

func broken(name, what, hint string) link {
	return link{name: name, what: what, hint: hint, broken: true}
}

// onto adds a broken link to a result.
func (l link) onto(r Result) Result {
	r.Message += "\nwhy: " + l.name + ": " + l.what
	if l.lines != "" {
		r.Message += "\n" + l.lines
	}
	r.Hint = l.hint
	return r
}

// A walk goes the way that a client's request goes.
type walk struct {
	w       *World
	service string // that the check is about; empty where it is not said
	address text   // host:port; empty where the check asks nothing by the network
	secure  bool
	connect string // where address is connected to
	host    string

	list    []project.Container
	listErr error
}

func newWalk(ctx context.Context, w *World, c Check) *walk {
	d := &walk{w: w, listErr: errors.New("there is no Engine to ask")}
	if s, ok := c.(serving); ok {
		d.service = s.of()
	}
	if r, ok := c.(reaching); ok {
		var resolve []override
		d.address, d.secure, resolve = r.reaches()
		d.connect = connectTo(resolve, d.address.plain)
		d.host, _, _ = net.SplitHostPort(d.address.plain)
	}
	if w.Engine != nil && w.Project != nil && w.Project.Compose != nil {
		d.list, d.listErr = w.Engine.Containers(ctx, w.Project.Name)
	}
	return d
}

// walk looks at one link after the other, until one is broken.
func (d *walk) walk(ctx context.Context, r Result) Result {
	var good []string
	links := []func(context.Context) link{d.dns, d.port, d.route, d.upstream, d.certificate}
	for _, look := range links {
		l := look(ctx)
		if l.broken {
			r = l.onto(r)
			break
		}
		if l.what != "" {
			good = append(good, l.name+": "+l.what)
		}
	}
	if len(good) > 0 {
		r.Message += "\nin order: " + strings.Join(good, "; ")
	}
	return r
}
