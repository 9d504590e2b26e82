package traefik

import (
	"regexp"
	"slices"
	"strings"
)

// Labels are what the labels of one container say to Traefik.
type Labels struct {
	Enable      string // the value of traefik.enable; empty: not said
	Routers     []Router
	Middlewares []Middleware
	Services    []string // names of load balancers
	Renamed     []Rename // what version 3 does not take any more
}

// A Router sends what its rule matches to a service.
type Router struct {
	Name        string
	TCP         bool
	Rule        string
	EntryPoints []string // empty: all, or the default ones
	Middlewares []string
	Service     string // empty: the container's own
	TLS         bool
	Resolver    string
	Domains     []string // of tls.domains, alternative names included
}

// Names are the DNS names that a certificate for the router would be for.
func (r Router) Names() []string {
	if len(r.Domains) > 0 {
		return r.Domains
	}
	return Hosts(r.Rule)
}

// A Middleware is defined by labels.
type Middleware struct {
	Name string
	TCP  bool
	Kind string // as ipallowlist, lower case
	// Ranges are the addresses of an allow-list.
	Ranges []string
}

// AllowList reports whether the middleware lets only some addresses through.
func (m Middleware) AllowList() bool { return m.Kind == "ipallowlist" || m.Kind == "ipwhitelist" }

// ReadLabels reads the labels of a container.
func ReadLabels(labels map[string]string) Labels {
	root := tree{}
	for name, value := range labels {
		if path := strings.Split(name, "."); strings.EqualFold(path[0], "traefik") && len(path) > 1 {
			root.put(path[1:], value)
		}
	}
	out := Labels{Enable: root.text("enable")}
	for _, protocol := range []string{"http", "tcp"} {
		routers := root.sub(protocol, "routers")
		for _, name := range routers.names() {
			out.Routers = append(out.Routers, readRouter(routers.sub(name), name, protocol == "tcp"))
		}
		middlewares := root.sub(protocol, "middlewares")
		for _, name := range middlewares.names() {
			for _, kind := range middlewares.sub(name).names() {
				m := Middleware{Name: name, TCP: protocol == "tcp", Kind: strings.ToLower(kind)}
				if m.AllowList() {
					m.Ranges = middlewares.words(name, kind, "sourceRange")
				}
				out.Middlewares = append(out.Middlewares, m)
			}
		}
		out.Services = append(out.Services, root.sub(protocol, "services").names()...)
	}
	out.Renamed = renamedLabels(out)
	return out
}

func readRouter(t tree, name string, tcp bool) Router {
	r := Router{
		Name: name, TCP: tcp, Rule: t.text("rule"), Service: t.text("service"),
		EntryPoints: some(t.words("entryPoints")), Middlewares: some(t.words("middlewares")),
		TLS: t.on("tls"),
	}
	if !r.TLS {
		return r // tls=false turns its options off with it
	}
	r.Resolver = t.text("tls", "certResolver")
	domains := t.sub("tls", "domains")
	if domains == nil { // tls.domains[0].main=…
		for _, key := range t.sub("tls").names() {
			if strings.HasPrefix(strings.ToLower(key), "domains[") {
				r.Domains = append(r.Domains, some(append(t.words("tls", key, "main"), t.words("tls", key, "sans")...))...)
			}
		}
	}
	return r
}

// some leaves out empty words.
func some(words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return w == "" })
}

var (
	hostMatcher = regexp.MustCompile(`(!\s*)?\bHost(?:SNI)?\(([^)]*)\)`)
	hostName    = regexp.MustCompile("[`\"]([^`\"]*)[`\"]")
)

// Hosts are the names that a rule matches by Host or HostSNI, each once, in
// lower case. Names that it excludes, and the * of HostSNI, are not among them.
func Hosts(rule string) []string {
	var out []string
	for _, matcher := range hostMatcher.FindAllStringSubmatch(rule, -1) {
		if matcher[1] != "" {
			continue
		}
		for _, name := range hostName.FindAllStringSubmatch(matcher[2], -1) {
			host := strings.ToLower(strings.TrimSpace(name[1]))
			if host != "*" && !slices.Contains(out, host) {
				out = append(out, host)
			}
		}
	}
	return out
}
