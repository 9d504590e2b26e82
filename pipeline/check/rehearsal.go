package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"deployer/pipeline/check/traefik"
	"deployer/project"
	"deployer/state"
)

const (
	stagingCA      = "https://acme-staging-v02.api.letsencrypt.org/directory"
	anyLetsEncrypt = "api.letsencrypt.org"
	defaultHTTP    = ":80"
	defaultHTTPS   = ":443"
)

// rehearsalCheck asks the CA's staging side for a certificate for the very
// names on the very ports, before the proxy asks for the first real one.
type rehearsalCheck struct {
	Hosts     []text     `check:"hosts"`     // default: those of routers with a certificate resolver
	Service   text       `check:"service"`   // as in traefik
	File      text       `check:"file"`      // as in traefik
	Challenge text       `check:"challenge"` // http or tls; default: the resolver's
	Email     text       `check:"email"`     // default: the resolver's
	Directory text       `check:"directory"` // default: the staging side of Let's Encrypt
	CA        text       `check:"ca"`        // PEM file of the commit: authorities of the directory's own TLS and of the certificate that is served
	HTTP      listenHost `check:"http_address"`
	HTTPS     listenHost `check:"tls_address"`
}

func newRehearsal() Check {
	return &rehearsalCheck{HTTP: listenHost{defaultHTTP}, HTTPS: listenHost{defaultHTTPS}}
}

// listenHost is where to listen: host:port, or :port for all addresses.
type listenHost struct{ address string }

func (l *listenHost) set(t text) error {
	if _, port, err := net.SplitHostPort(t.plain); err != nil || !isPort(port) {
		return fmt.Errorf("%q is no address to listen on: write :80", t)
	}
	l.address = t.plain
	return nil
}

func (c *rehearsalCheck) validate() error {
	if !slices.Contains([]string{"", "http", "tls"}, c.Challenge.plain) {
		return fmt.Errorf("challenge: %q is neither http nor tls", c.Challenge)
	}
	return nil
}

// A trial is one certificate to ask for.
type trial struct {
	challenge traefik.Challenge
	names     []string
	email     string
	address   string // to listen on
}

func (t trial) port() string { return t.address[strings.LastIndexByte(t.address, ':')+1:] }

func (c *rehearsalCheck) Run(ctx context.Context, w *World) Result {
	if w.Project == nil || w.Project.Compose == nil || w.Engine == nil {
		return skipped("there is no Engine or no project to look at")
	}
	trials, problem := c.trials(w)
	if problem.Status != "" {
		return problem
	}
	if info, err := w.Engine.Info(ctx); err != nil || info.FreeBytes < 0 {
		return skipped("the Engine's host is not this machine, so that its ports cannot be listened on from here")
	}
	if until, ok := c.served(ctx, w, trials); ok {
		return skipped("a valid certificate is served already, until " + until.UTC().Format(time.DateOnly))
	}
	var said []string
	for _, t := range trials {
		r := c.rehearse(ctx, w, t)
		if r.Status != state.StepPassed {
			return r
		}
		said = append(said, r.Message)
	}
	return passed(strings.Join(said, "; "))
}

// trials reads what the stack's proxy is going to ask for. Where there is
// nothing to try, the result says why.
func (c *rehearsalCheck) trials(w *World) ([]trial, Result) {
	byHand := trial{email: c.Email.plain}
	for _, h := range c.Hosts {
		byHand.names = append(byHand.names, strings.ToLower(h.plain))
	}
	if len(byHand.names) > 0 && c.Challenge.plain != "" {
		byHand.challenge = traefik.Challenge(c.Challenge.plain + "Challenge")
		return c.placed([]trial{byHand}), Result{}
	}
	p, problem := (&traefikCheck{Service: c.Service, File: c.File}).find(w)
	if problem.Status != "" {
		problem.Hint += "; or set `hosts` and `challenge`"
		return nil, problem
	}
	asked := p.certificates()
	if len(byHand.names) > 0 {
		for _, resolver := range p.resolversInUse()[:min(1, len(p.resolversInUse()))] {
			asked = map[string][]string{resolver: byHand.names}
		}
	}
	return c.fromResolvers(p, asked)
}

// fromResolvers makes one trial of the names of each challenge.
func (c *rehearsalCheck) fromResolvers(p *proxy, asked map[string][]string) ([]trial, Result) {
	var out []trial
	var left []string
	for _, name := range sortedKeys(asked) {
		r, ok := p.static.Resolver(name)
		switch {
		case !ok || len(r.Challenges) == 0:
			return nil, failed(fmt.Sprintf("the certificate resolver %q has no challenge to rehearse", name), "the check `traefik` says what is wrong with it")
		case r.CAServer != "" && !strings.Contains(r.CAServer, anyLetsEncrypt) && c.Directory.plain == "":
			left = append(left, "the staging side of "+r.CAServer+" is not known: name it in `directory`")
			continue
		case r.Challenges[0] == traefik.DNSChallenge && c.Challenge.plain == "":
			left = append(left, "resolver "+name+" proves its names by DNS, not on a port of this server")
			continue
		}
		t := trial{challenge: r.Challenges[0], names: asked[name], email: r.Email}
		if c.Challenge.plain != "" {
			t.challenge = traefik.Challenge(c.Challenge.plain + "Challenge")
		}
		if c.Email.plain != "" {
			t.email = c.Email.plain
		}
		out = append(out, t)
	}
	if len(out) == 0 {
		if left == nil {
			left = []string{"no router asks a resolver for a certificate"}
		}
		return nil, skipped(strings.Join(left, "; "))
	}
	return c.placed(out), Result{}
}

func (c *rehearsalCheck) placed(trials []trial) []trial {
	for i := range trials {
		trials[i].address = c.HTTPS.address
		if trials[i].challenge == traefik.HTTPChallenge {
			trials[i].address = c.HTTP.address
		}
	}
	return trials
}

// certificates are the names that routers ask each resolver for, sorted, but
// for those that only a DNS challenge proves.
func (p *proxy) certificates() map[string][]string {
	out := map[string][]string{}
	for _, l := range p.labels {
		if strings.EqualFold(l.Enable, "false") || p.static.HideByDefault && !strings.EqualFold(l.Enable, "true") {
			continue
		}
		for _, r := range l.Routers {
			resolver := r.Resolver
			for _, point := range r.EntryPoints {
				if e, ok := p.static.EntryPoint(point); ok && resolver == "" && e.TLS {
					resolver = e.Resolver
				}
			}
			for _, name := range r.Names() {
				if resolver != "" && name != "" && !strings.HasPrefix(name, "*.") && !slices.Contains(out[resolver], name) {
					out[resolver] = append(out[resolver], name)
					slices.Sort(out[resolver])
				}
			}
		}
	}
	return out
}

// served reports whether this server has a valid certificate for every name.
func (c *rehearsalCheck) served(ctx context.Context, w *World, trials []trial) (until time.Time, ok bool) {
	host, port, _ := net.SplitHostPort(c.HTTPS.address)
	if host == "" {
		host = "127.0.0.1"
	}
	var roots *x509.CertPool
	if c.CA.plain != "" {
		if roots, _ = w.roots(c.CA); roots == nil {
			return time.Time{}, false // the rehearsal itself says what is wrong with it
		}
	}
	for _, t := range trials {
		for _, name := range t.names {
			leaf, err := w.certificateOf(ctx, net.JoinHostPort(host, port), name, roots)
			if err != nil {
				return time.Time{}, false
			}
			if until.IsZero() || leaf.NotAfter.Before(until) {
				until = leaf.NotAfter
			}
		}
	}
	return until, true
}

// rehearse asks for one certificate. The holder of the port makes room for as
// long as the CA looks.
func (c *rehearsalCheck) rehearse(ctx context.Context, w *World, t trial) (r Result) {
	client, err := c.client(w)
	if err != nil {
		return failed(err.Error(), "correct `ca`")
	}
	defer client.CloseIdleConnections()
	order, problem := c.order(ctx, client, t)
	if problem.Status != "" {
		return problem
	}
	holder, mine, err := portHolder(ctx, w, t)
	switch {
	case err != nil:
		return failed("the Engine does not list the published ports: "+reason(err), "see that Docker runs on the target")
	case holder.Container != "" && !mine:
		return failed(fmt.Sprintf("port %s is held by container %s of project %s", t.port(), holder.Container, holder.Project), "stop it: the proxy of this stack needs the port too")
	case !mayListen(t.address):
		return warned("not proven: deployer may not listen on port "+t.port(), "run it as root, or give it CAP_NET_BIND_SERVICE")
	}
	if holder.Container != "" {
		started := time.Now()
		back, err := makeRoom(ctx, w, holder)
		if err != nil {
			return failed(fmt.Sprintf("%s could not make room: %s", holder.Container, err), "see that it runs: docker start "+holder.Container)
		}
		defer func() {
			if err := back(ctx); err != nil {
				r = failed(fmt.Sprintf("%s; and after the rehearsal %s", r.Message, err), "start it by hand: docker start "+holder.Container)
			} else if r.Status == state.StepPassed {
				r.Message += fmt.Sprintf(" (%s made room for %s and runs again)", holder.Container, round(time.Since(started)))
			}
		}()
	}
	if problem := order.prove(ctx, t); problem.Status != "" {
		return problem
	}
	issuer, problem := order.collect(ctx, t)
	if problem.Status != "" {
		return problem
	}
	return passed(fmt.Sprintf("%s proved %s on port %s from outside; %s gave a trial certificate",
		t.challenge, strings.Join(t.names, ", "), t.port(), issuer))
}

var errNoRoom = errors.New("nothing here can stop it for a moment")

func makeRoom(ctx context.Context, w *World, holder project.Published) (func(context.Context) error, error) {
	if w.MakeRoom == nil {
		return nil, errNoRoom
	}
	return w.MakeRoom(ctx, holder.ContainerID, holder.Container)
}

// portHolder is the container that holds the port of a trial; mine where it is
// one of this project.
func portHolder(ctx context.Context, w *World, t trial) (holder project.Published, mine bool, err error) {
	published, err := w.Engine.Published(ctx)
	if err != nil {
		return project.Published{}, false, err
	}
	host, _, _ := net.SplitHostPort(t.address)
	for _, p := range published {
		if p.Protocol == "tcp" && fmt.Sprint(p.HostPort) == t.port() && overlap(p.Address, host) {
			return p, p.Project == w.Project.Name, nil
		}
	}
	return project.Published{}, false, nil
}

// client speaks to the CA's directory.
func (c *rehearsalCheck) client(w *World) (*http.Client, error) {
	t := w.transport()
	if c.CA.plain != "" {
		roots, err := w.roots(c.CA)
		if err != nil {
			return nil, err
		}
		t.TLSClientConfig.RootCAs = roots
	}
	return &http.Client{Transport: t, Timeout: 30 * time.Second}, nil
}
