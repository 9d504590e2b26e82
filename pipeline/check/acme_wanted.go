package check

import (
	"slices"
	"strings"

	"deployer/pipeline/check/traefik"
	"deployer/project"
)

// A wantedCertificate is one that Traefik asks for because of a router's labels.
type wantedCertificate struct {
	service  string
	router   string
	resolver string
	names    []string
}

// wantedCertificates are those that the routers of a project ask for.
func wantedCertificates(p *project.Project) []wantedCertificate {
	if p == nil || p.Compose == nil {
		return nil
	}
	var out []wantedCertificate
	for _, name := range p.Compose.ServiceNames() {
		out = append(out, wantedOf(name, p.Compose.Services[name].Labels)...)
	}
	return out
}

func wantedOf(service string, labels map[string]string) []wantedCertificate {
	read := traefik.ReadLabels(labels)
	if strings.EqualFold(read.Enable, "false") {
		return nil
	}
	var out []wantedCertificate
	for _, r := range read.Routers {
		if r.Resolver == "" {
			continue
		}
		for _, names := range r.Certificates() {
			out = append(out, wantedCertificate{service, r.Name, r.Resolver, names})
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
	out := servicesOf(p, "traefik")
	if _, ok := p.Compose.Services["traefik"]; ok && !slices.Contains(out, "traefik") {
		out = append(out, "traefik")
	}
	return out
}

// storagePath is where a Traefik service keeps its certificates: by its static
// configuration, else where nearly all do.
func storagePath(w *World, service string) string {
	p, _ := (&traefikCheck{Service: text{service, service}}).find(w)
	if p != nil && p.static != nil {
		for _, name := range sortedKeys(p.static.Resolvers) {
			if storage := p.static.Resolvers[name].Storage; storage != "" {
				return storage
			}
		}
	}
	return acmeStorage
}
