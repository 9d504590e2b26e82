package config

import (
	"path/filepath"
	"slices"
	"testing"
)

const twoStacks = `
repositories: {infra: {url: "file:///srv/infra.git"}}
policy: {allow: [gpu, "registry:ghcr.io"], deny: [registry, latest_tag]}
stacks:
  plain: {repository: infra}
  own: {repository: infra, policy: {base: strict, allow: [docker_socket, latest_tag], deny: [gpu]}}
  base: {repository: infra, policy: none}
`

func TestAStacksPolicyExtendsTheServers(t *testing.T) {
	c, err := loadText(t, t.TempDir(), twoStacks)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Policy{
		"plain": {PolicyBaseline, []string{"gpu", "registry:ghcr.io"}, []string{"registry", "latest_tag"}},
		"own":   {PolicyStrict, []string{"registry:ghcr.io", "docker_socket", "latest_tag"}, []string{"registry", "gpu"}},
		"base":  {PolicyNone, []string{"gpu", "registry:ghcr.io"}, []string{"registry", "latest_tag"}},
	} {
		got := c.PolicyOf(c.Stacks[name])
		if got.Base != want.Base || !slices.Equal(got.Allow, want.Allow) || !slices.Equal(got.Deny, want.Deny) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

func TestFilesAreAllThatTheConfigurationNames(t *testing.T) {
	text, etc := example(t)
	c, err := loadText(t, etc, text)
	if err != nil {
		t.Fatal(err)
	}
	files := c.Files()
	for _, name := range []string{
		"deployer.yaml", "tls.key", "age.key", "registry", "git-token", "webhook", "webhook-new", "webhook-old", "id_ed25519", "docker.key",
	} {
		if !slices.Contains(files, filepath.Join(etc, name)) {
			t.Errorf("%s is not among %v", name, files)
		}
	}
}

func TestATemplateIsAStackInEachFolder(t *testing.T) {
	c, err := loadText(t, t.TempDir(), `
repositories: {infra: {url: "file:///srv/infra.git"}}
stacks:
  "apps/*": {repository: infra, directory: "apps/*", approval: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	s := c.Stacks["apps/*"]
	if !s.Template() || s.Folder() != "apps" {
		t.Fatalf("%+v", s)
	}
	one, err := s.In("apps/web.shop")
	if err != nil || one.Name != "web.shop" || one.Project != "web-shop" || one.Directory != "apps/web.shop" || !one.Approval || one.Template() {
		t.Errorf("%+v, %v", one, err)
	}
	for _, bad := range []string{"apps/Shop", "apps/.git", "apps/a b"} {
		if _, err := s.In(bad); err == nil {
			t.Errorf("%s is a stack", bad)
		}
	}
}
