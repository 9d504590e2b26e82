package check

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"deployer/pipeline/check/traefik"
)

// judgeLabels looks at what the services' labels name.
func (p *proxy) judgeLabels() {
	for _, service := range sortedKeys(p.labels) {
		l := p.labels[service]
		if strings.EqualFold(l.Enable, "false") {
			continue
		}
		if len(l.Routers) > 0 && p.static.HideByDefault && !strings.EqualFold(l.Enable, "true") {
			p.warn(service+" has routers, but not traefik.enable=true, which exposedByDefault: false asks for", "add the label, or remove the routers")
		}
		p.renamed(service, l.Renamed)
		for _, m := range l.Middlewares {
			if m.AllowList() {
				p.judgeRanges(service, m)
			}
		}
		for _, r := range l.Routers {
			p.judgeRouter(service, r)
		}
	}
}

func (p *proxy) judgeRanges(service string, m traefik.Middleware) {
	about := fmt.Sprintf("%s: the allow-list %s", service, m.Name)
	if len(m.Ranges) == 0 || len(m.Ranges) == 1 && m.Ranges[0] == "" {
		p.fail(about+" has no address, and Traefik drops every router with it", "list what may come in: sourcerange=203.0.113.0/24,198.51.100.7")
		return
	}
	open := 0
	for _, r := range m.Ranges {
		if prefix, err := netip.ParsePrefix(r); err == nil && prefix.Bits() == 0 {
			open++
		}
	}
	for _, r := range m.Ranges {
		prefix, err := netip.ParsePrefix(r)
		if _, plain := netip.ParseAddr(r); err != nil && plain != nil {
			p.fail(fmt.Sprintf("%s: %q is neither an address nor a range", about, r), "write 203.0.113.7 or 203.0.113.0/24")
		}
		// Of everybody alone it is left open on purpose.
		if err == nil && prefix.Bits() == 0 && open < len(m.Ranges) {
			p.warn(fmt.Sprintf("%s lets everybody in: %s, whatever else it lists", about, r), "take it out, or everything else")
		}
	}
}

func (p *proxy) judgeRouter(service string, r traefik.Router) {
	about := fmt.Sprintf("%s: router %s", service, r.Name)
	points := p.judgeEntryPoints(about, r)
	for _, name := range r.Middlewares {
		p.judgeReference(about, "middleware", name, func(name string) bool { return p.defines(name, r.TCP) })
	}
	if r.Service != "" {
		p.judgeReference(about, "service", r.Service, p.balances)
	}
	resolver := r.Resolver
	for _, e := range points {
		if e.TLS && resolver == "" {
			resolver = e.Resolver
		}
	}
	if resolver != "" {
		p.judgeNames(about, r, resolver)
	} else if r.TLS && !p.static.HasProvider("file") {
		p.warn(about+" has TLS, but neither a resolver nor a file provider gives it a certificate", "set tls.certresolver")
	}
	if slices.Contains(traefik.Hosts(r.Rule), "") {
		p.fail(about+" matches an empty host", "the variable in its rule is empty: set it")
	}
}

func (p *proxy) judgeEntryPoints(about string, r traefik.Router) []traefik.EntryPoint {
	var out []traefik.EntryPoint
	for _, name := range r.EntryPoints {
		e, ok := p.static.EntryPoint(name)
		if !ok {
			p.fail(fmt.Sprintf("%s names the entry point %q, which is none", about, name), p.entryPointsHint())
			continue
		}
		out = append(out, e)
	}
	return out
}

// judgeNames looks at what a router asks its resolver for.
func (p *proxy) judgeNames(about string, r traefik.Router, resolver string) {
	found, ok := p.static.Resolver(resolver)
	if !ok {
		if !p.known(resolver) {
			hint := "define it under certificatesResolvers in the static configuration"
			if names := sortedKeys(p.static.Resolvers); len(names) > 0 {
				hint = "the resolvers are " + strings.Join(names, ", ")
			}
			p.fail(fmt.Sprintf("%s names the certificate resolver %q, which is none", about, resolver), hint)
		}
		return
	}
	if len(r.Names()) == 0 && (r.Rule != "" || p.static.DefaultRule == "") {
		p.fail(about+" wants a certificate, but neither its rule nor tls.domains names a host", "give it a rule with Host(`…`)")
	}
	for _, name := range r.Names() {
		wild := strings.HasPrefix(name, "*.")
		if wild && !slices.Contains(found.Challenges, traefik.DNSChallenge) {
			p.fail(fmt.Sprintf("%s wants a certificate for %s, which takes a dnsChallenge", about, name), "name the hosts one by one, or set a dnsChallenge on "+resolver)
		}
		if name != "" && !wild && !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") {
			p.fail(fmt.Sprintf("%s wants a certificate for %s, which no CA gives", about, name), "use the public name, or no resolver")
		}
	}
}

// judgeReference follows a name that may end in @provider.
func (p *proxy) judgeReference(about, what, name string, local func(string) bool) {
	plain, provider, qualified := strings.Cut(name, "@")
	switch {
	case p.known(name):
	case !qualified || provider == "docker":
		if !local(plain) {
			p.fail(fmt.Sprintf("%s names the %s %q, which no label defines", about, what, plain),
				"define it with labels; one of another stack goes into `known`, one of a file is named with @file")
		}
	case provider == "internal":
	case !p.static.HasProvider(provider):
		p.fail(fmt.Sprintf("%s names the %s %q, but Traefik has no provider %q", about, what, name, provider), "add the provider to the static configuration, or correct the name")
	}
}

func (p *proxy) known(name string) bool {
	return slices.ContainsFunc(p.check.Known, func(t text) bool { return t.plain == name })
}

func (p *proxy) defines(middleware string, tcp bool) bool {
	for _, l := range p.labels {
		if slices.ContainsFunc(l.Middlewares, func(m traefik.Middleware) bool { return m.Name == middleware && m.TCP == tcp }) {
			return true
		}
	}
	return false
}

// balances reports whether a service of Traefik's is defined: by labels, or
// by Traefik itself for a container that has none, as web-shop.
func (p *proxy) balances(name string) bool {
	for service, l := range p.labels {
		if slices.Contains(l.Services, name) || len(l.Services) == 0 && name == service+"-"+p.w.Project.Name {
			return true
		}
	}
	return false
}
