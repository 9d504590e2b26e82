package config

import "slices"

// A Webhook is how a repository's forge signs its deliveries.
type Webhook struct {
	Provider string     `yaml:"provider"`
	Secret   Secret     `yaml:"secret"`
	Several  SecretList `yaml:"secrets"`
}

// Secrets returns every secret that a delivery may be signed with.
func (w *Webhook) Secrets() []Secret {
	all := slices.Clone(w.Several)
	if !w.Secret.Empty() {
		all = append(all, w.Secret)
	}
	return all
}

// providers are the names that the file may use.
var providers = []string{
	"github", "gitlab", "gitea", "forgejo", "gogs",
	"bitbucket", "bitbucket-server", "azure-devops", "generic",
}

func (w *Webhook) validate(doc *document, path string) {
	if w == nil {
		return
	}
	doc.require(path, "provider", "write which forge sends it, or generic")
	if doc.ok(join(path, "provider")) {
		oneOf(doc, join(path, "provider"), w.Provider, providers...)
	}
	if !w.Secret.given && len(w.Several) == 0 {
		doc.fail(path, "give secret_file, or secrets_file while one is being replaced; anyone can sign with no secret",
			"secret is missing")
	}
}
