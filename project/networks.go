package project

// HasExternalNetworks reports whether a service needs a network that somebody
// else makes.
func (p *Project) HasExternalNetworks() bool {
	for _, n := range p.Compose.WithoutUnnecessaryResources().Networks {
		if n.External {
			return true
		}
	}
	return false
}

// HasContainerNames reports whether a service names its container itself.
func (p *Project) HasContainerNames() bool {
	for _, s := range p.Compose.Services {
		if s.ContainerName != "" {
			return true
		}
	}
	return false
}
