package config

import (
	"maps"
	"slices"
)

// An OIDC is the identity provider that people sign in with.
type OIDC struct {
	Issuer       string            `yaml:"issuer"`
	ClientID     string            `yaml:"client_id"`
	ClientSecret Secret            `yaml:"client_secret"`
	Roles        map[Role][]string `yaml:"roles"` // groups that have the role
}

func (o *OIDC) validate(doc *document, path string) {
	if o == nil {
		return
	}
	doc.require(path, "issuer", "write the issuer's URL")
	doc.require(path, "client_id", "write the id that the issuer gave to deployer")
	if !o.ClientSecret.given {
		doc.fail(path, "give client_secret, client_secret_file or client_secret_env", "client_secret is missing")
	}
	if doc.ok(join(path, "issuer")) {
		validateWebURL(doc, join(path, "issuer"), o.Issuer)
	}
	for _, role := range slices.Sorted(maps.Keys(o.Roles)) {
		oneOf(doc, join(join(path, "roles"), string(role)), role, RoleViewer, RoleDeployer, RoleAdmin)
	}
}
