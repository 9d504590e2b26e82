package check

import (
	"cmp"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"deployer/project"
)

// A wantedCertificate is one that Traefik asks for because of a router's labels.
type wantedCertificate struct {
	service  string
	router   string
	resolver string
	names    []string
}

var (
	routerLabel = regexp.MustCompile(`(?i)^traefik\.(?:http|tcp)\.routers\.([^.]+)\.(rule|tls\.certresolver|tls\.domains\[\d+\]\.(?:main|sans))$`)
	hostRule    = regexp.MustCompile("(?i)\\bHost(?:SNI)?\\(([^)]*)\\)")
	quotedName  = regexp.MustCompile("[`\"']([^`\"']+)[`\"']")
)

// wantedCertificates are those that the routers of a project ask for.
func wantedCertificates(p *project.Project) []wantedCertificate {
	if p == nil || p.Compose == nil {
		return nil
	}
	var out []wantedCertificate
	for _, name := range p.Compose.ServiceNames() {
		labels := p.Compose.Services[name].Labels
		if strings.EqualFold(labels["traefik.enable"], "false") {
			continue
		}
		out = append(out, wantedOf(name, labels)...)
	}
	return out
}

// routed is what the labels of a router say.
type routed struct {
	rule, resolver string
	domains        map[string][]string // by the place in tls.domains
}

func wantedOf(service string, labels map[string]string) []wantedCertificate {
	routers := routersOf(labels)
	var out []wantedCertificate
	for _, name := range slices.Sorted(maps.Keys(routers)) {
		r := routers[name]
		if r.resolver == "" {
			continue
		}
		for _, key := range slices.Sorted(maps.Keys(r.domains)) {
			out = append(out, wantedCertificate{service, name, r.resolver, r.domains[key]})
		}
		if hosts := hostsOf(r.rule); len(r.domains) == 0 && len(hosts) > 0 {
			out = append(out, wantedCertificate{service, name, r.resolver, hosts})
		}
	}
	return out
}

func routersOf(labels map[string]string) map[string]*routed {
	routers := map[string]*routed{}
	for _, label := range slices.Sorted(maps.Keys(labels)) {
		m := routerLabel.FindStringSubmatch(label)
		if m == nil {
			continue
		}
		r := routers[m[1]]
		if r == nil {
			r = &routed{domains: map[string][]string{}}
			routers[m[1]] = r
		}
		value := labels[label]
		switch field := strings.ToLower(m[2]); {
		case field == "rule":
			r.rule = value
		case field == "tls.certresolver":
			r.resolver = value
		default:
			key, _, _ := strings.Cut(field, "].")
			for _, word := range strings.Split(value, ",") {
				r.domains[key] = append(r.domains[key], strings.ToLower(strings.TrimSpace(word)))
			}
		}
	}
	return routers
}

// hostsOf are the names in the Host matchers of a rule.
func hostsOf(rule string) []string {
	var out []string
	for _, m := range hostRule.FindAllStringSubmatch(rule, -1) {
		for _, q := range quotedName.FindAllStringSubmatch(m[1], -1) {
			if name := strings.ToLower(q[1]); !slices.Contains(out, name) && name != "*" {
				out = append(out, name)
			}
		}
	}
	return out
}

// traefikServices are the services of a project that run Traefik, by their
// image or by their name.
func traefikServices(p *project.Project) []string {
	if p == nil || p.Compose == nil {
		return nil
	}
	var out []string
	for _, name := range p.Compose.ServiceNames() {
		image := cmp.Or(p.Images[name].Ref, p.Compose.Services[name].Image)
		image, _, _ = strings.Cut(path.Base(image), "@")
		image, _, _ = strings.Cut(image, ":")
		if image == "traefik" || name == "traefik" {
			out = append(out, name)
		}
	}
	return out
}
