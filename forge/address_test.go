package forge

import (
	"net/http"
	"strings"
	"testing"
)

func TestWhereARepositoryIs(t *testing.T) {
	for _, row := range []struct{ provider, api, clone, name, want string }{
		{"github", "https://api.github.com", "https://github.com/ops/infra.git", "", "https://api.github.com/repos/ops/infra"},
		{"github", "https://api.github.com/", "https://github.com/ops/infra/", "", "https://api.github.com/repos/ops/infra"},
		{"github", "https://ghe.example.com/api/v3", "ssh://git@ghe.example.com/ops/infra.git", "", "https://ghe.example.com/api/v3/repos/ops/infra"},
		{"github", "https://api.github.com", "git@github.com:ops/infra.git", "", "https://api.github.com/repos/ops/infra"},
		{"github", "https://api.github.com", "file:///srv/mirror.git", "ops/infra", "https://api.github.com/repos/ops/infra"},
		{"gitea", "https://git.example.com", "https://git.example.com/ops/infra.git", "", "https://git.example.com/api/v1/repos/ops/infra"},
		{"gitea", "https://example.com/git/", "https://example.com/git/ops/infra.git", "", "https://example.com/git/api/v1/repos/ops/infra"},
		{"gitea", "https://git.example.com/api/v1", "ssh://git@git.example.com:2222/ops/infra", "", "https://git.example.com/api/v1/repos/ops/infra"},
		{"gitlab", "https://gitlab.com", "https://gitlab.com/a/b/c/infra.git", "", "https://gitlab.com/api/v4/projects/a%2Fb%2Fc%2Finfra"},
		{"gitlab", "https://gitlab.com/api/v4", "git@gitlab.com:a/infra.git", "", "https://gitlab.com/api/v4/projects/a%2Finfra"},
		{"gitlab", "https://example.com/gitlab", "https://example.com/gitlab/a/b/infra.git", "", "https://example.com/gitlab/api/v4/projects/a%2Fb%2Finfra"},
		{"bitbucket", "https://api.bitbucket.org", "git@bitbucket.org:ops/infra.git", "", "https://api.bitbucket.org/2.0/repositories/ops/infra"},
		{"bitbucket", "https://api.bitbucket.org/2.0", "https://bitbucket.org/ops/infra.git", "", "https://api.bitbucket.org/2.0/repositories/ops/infra"},
		{"bitbucket-server", "https://git.example.com", "https://git.example.com/scm/OPS/infra.git", "", "https://git.example.com/rest/api/latest/projects/OPS/repos/infra"},
		{"bitbucket-server", "https://git.example.com/rest/api/1.0", "ssh://git@git.example.com:7999/~ada/infra.git", "", "https://git.example.com/rest/api/latest/projects/~ada/repos/infra"},
		{"bitbucket-server", "https://example.com/bitbucket", "https://example.com/bitbucket/scm/~ada/infra.git", "", "https://example.com/bitbucket/rest/api/latest/projects/~ada/repos/infra"},
		{"azure-devops", "https://dev.azure.com", "https://dev.azure.com/acme/My%20Project/_git/infra", "", "https://dev.azure.com/acme/My%20Project/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com/acme", "https://dev.azure.com/acme/shop/_git/infra", "", "https://dev.azure.com/acme/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com", "https://dev.azure.com/acme/_git/infra", "", "https://dev.azure.com/acme/infra/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com", "https://acme.visualstudio.com/shop/_git/infra", "", "https://dev.azure.com/acme/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://acme.visualstudio.com", "https://acme.visualstudio.com/DefaultCollection/shop/_git/infra", "", "https://acme.visualstudio.com/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com", "https://acme.visualstudio.com/_git/infra", "", "https://dev.azure.com/acme/infra/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com", "git@ssh.dev.azure.com:v3/acme/shop/infra", "", "https://dev.azure.com/acme/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://tfs.example.com/tfs/Main", "https://tfs.example.com/tfs/Main/shop/_git/infra", "", "https://tfs.example.com/tfs/Main/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://tfs.example.com/tfs", "https://tfs.example.com/tfs/Main/shop/_git/infra", "", "https://tfs.example.com/tfs/Main/shop/_apis/git/repositories/infra"},
		{"azure-devops", "https://dev.azure.com", "file:///x", "acme/shop/infra", "https://dev.azure.com/acme/shop/_apis/git/repositories/infra"},
	} {
		c, err := New(Options{Provider: row.provider, API: row.api, Repository: row.clone, Name: row.name, Doer: http.DefaultClient})
		if err != nil {
			t.Errorf("%s %s: %v", row.provider, row.clone, err)
			continue
		}
		if got := root(c); got != row.want {
			t.Errorf("%s with %s: %s, want %s", row.clone, row.api, got, row.want)
		}
	}
}

func root(c Client) string {
	switch c := c.(type) {
	case *github:
		return c.base.String() + c.repo
	case *gitea:
		return c.base.String() + c.repo
	case *gitlab:
		return c.base.String() + c.project
	case *bitbucket:
		return c.base.String() + c.repo
	case *bitbucketServer:
		return c.base.String() + c.repo
	case *azure:
		return strings.TrimRight(c.base.String(), "/") + c.repo
	}
	return ""
}

func TestWhatIsNoAddress(t *testing.T) {
	for _, o := range []Options{
		{Provider: "gogs", API: "https://a.example", Repository: "https://a.example/o/r.git"},
		{Provider: "generic", API: "https://a.example", Repository: "https://a.example/o/r.git"},
		{Provider: "github", API: "ftp://a.example", Repository: "https://a.example/o/r.git"},
		{Provider: "github", API: "https://canary:canary@a.example", Repository: "https://a.example/o/r.git"},
		{Provider: "github", API: "https://a.example", Repository: "file:///srv"},
		{Provider: "github", API: "https://a.example", Repository: "https://a.example/../o/r.git"},
		{Provider: "github", API: "https://a.example", Repository: "https://a.example/r.git"},
		{Provider: "azure-devops", API: "https://dev.azure.com", Repository: "https://a.example/o/r.git"},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestShortKeysStayApart(t *testing.T) {
	a, b := shortKey("deployer/"+strings.Repeat("s", 40)+"/a", 40), shortKey("deployer/"+strings.Repeat("s", 40)+"/b", 40)
	if a == b || len(a) != 40 || shortKey("deployer/shop", 40) != "deployer/shop" {
		t.Errorf("%s and %s", a, b)
	}
}
