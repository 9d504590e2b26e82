package config

import (
	"slices"
	"strings"
)

// What to do about pull requests from forks.
const (
	ForksIgnore = "ignore"
	ForksPlan   = "plan"
)

// A Forge is where commit statuses and comments are written.
type Forge struct {
	Provider   string `yaml:"provider"` // empty: the webhook's
	API        string `yaml:"api"`
	Repository string `yaml:"repository"` // its name at the forge; empty: what its url says
	Token      Secret `yaml:"token"`
	Forks      string `yaml:"forks"`
}

// forgeProviders are those of providers that have commit statuses.
var forgeProviders = []string{"github", "gitlab", "gitea", "forgejo", "bitbucket", "bitbucket-server", "azure-devops"}

func (f *Forge) setDefaults() { f.Forks = ForksIgnore }

func (f *Forge) validate(doc *document, path string, hook *Webhook) {
	if f == nil {
		return
	}
	doc.require(path, "api", "write the API's URL, such as https://api.github.com")
	if doc.ok(join(path, "api")) {
		validateWebURL(doc, join(path, "api"), f.API)
	}
	if !f.Token.given {
		doc.fail(path, "give token, token_file or token_env", "token is missing")
	}
	f.validateProvider(doc, path, hook)
	oneOf(doc, join(path, "forks"), f.Forks, ForksIgnore, ForksPlan)
}

// validateProvider takes the webhook's provider where the forge names none.
func (f *Forge) validateProvider(doc *document, path string, hook *Webhook) {
	if f.Provider == "" && hook != nil {
		f.Provider = hook.Provider
	}
	switch {
	case doc.given(join(path, "provider")):
		oneOf(doc, join(path, "provider"), f.Provider, forgeProviders...)
	case f.Provider == "gogs":
		doc.fail(path, "take it out", "Gogs has no commit statuses")
	case !slices.Contains(forgeProviders, f.Provider):
		doc.fail(path, "give provider: one of "+strings.Join(forgeProviders, ", "), "which forge it is cannot be told from the webhook")
	}
}
