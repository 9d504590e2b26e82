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
