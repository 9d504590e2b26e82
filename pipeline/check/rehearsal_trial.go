package check

import (
	"fmt"
	"slices"
	"strings"

	"deployer/pipeline/check/traefik"
)

// A trial is one certificate to ask for.
type trial struct {
	challenge traefik.Challenge
	names     []string
	email     string
	address   string // to listen on
}

func (t trial) port() string { return t.address[strings.LastIndexByte(t.address, ':')+1:] }

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
