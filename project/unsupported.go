package project

import (
	"fmt"
	"strings"
)

// Unsupported is what no server runs of a project, whatever deployer.yaml
// says: what would run programs on deployer's own host or hand its credentials
// to a container, and what the Engine's own builder cannot do.
type Unsupported []error

func (u Unsupported) Error() string {
	texts := make([]string, len(u))
	for i, err := range u {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "\n")
}

func (u Unsupported) Unwrap() []error { return u }

// Supported returns all that is Unsupported of the project, by service; nil
// where there is nothing.
func (p *Project) Supported() error {
	var found Unsupported
	for _, name := range p.Services() {
		s := p.Compose.Services[name]
		if s.Provider != nil {
			found = append(found, fmt.Errorf("service %s: provider: is not supported; run the service from an image", name))
		}
		if len(s.Models) > 0 {
			found = append(found, fmt.Errorf("service %s: models: is not supported; run the model as a service of its own", name))
		}
		if s.UseAPISocket {
			found = append(found, fmt.Errorf("service %s: use_api_socket: is not supported; mount the socket by volumes: where the policy allows it", name))
		}
		if s.Build == nil {
			continue
		}
		if err := (&Build{Config: *s.Build, Dockerfile: s.Build.Dockerfile}).supported(); err != nil {
			found = append(found, fmt.Errorf("service %s: build: %w", name, err))
		}
	}
	if len(found) == 0 {
		return nil
	}
	return found
}
