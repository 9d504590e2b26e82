package forge

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// said is what a forge answers to the looks of Examine, by path; to what is no
// look, by method and path.
type said map[string]struct {
	code   int
	header map[string]string
	body   string
}

func (s said) serve(t *testing.T, p provider) Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.EscapedPath()
		if r.Method != http.MethodGet {
			path = r.Method + " " + path
		}
		if !p.auth(r) {
			refuse(w, http.StatusUnauthorized, "Bad credentials")
			return
		}
		answer, ok := s[path]
		if !ok && r.Method != http.MethodGet {
			t.Errorf("it sends %s", path)
		}
		if !ok {
			refuse(w, http.StatusNotFound, "Not Found")
			return
		}
		for name, value := range answer.header {
			w.Header().Set(name, value)
		}
		reply(w, max(answer.code, http.StatusOK), json.RawMessage(answer.body))
	}))
	t.Cleanup(server.Close)
	return client(t, p, server.URL)
}

func named(t *testing.T, name string) provider {
	t.Helper()
	for _, p := range providers() {
		if p.name == name {
			return p
		}
	}
	t.Fatalf("no forge %s", name)
	return provider{}
}

func TestWhatATokenMayDo(t *testing.T) {
	const (
		github   = "/repos/ops/infra"
		gitlab   = "/api/v4/projects/ops%2Fprod%2Finfra"
		self     = "/api/v4/personal_access_tokens/self"
		gitea    = "/api/v1/repos/ops/infra"
		cloud    = "/2.0/repositories/ops/infra"
		server   = "/rest/api/latest/projects/OPS/repos/infra"
		writable = "/rest/api/latest/repos"
		azure    = "/acme/My%20Project/_apis/git/repositories/infra"
		whose    = "/acme/_apis/connectionData"
		mark     = "POST " + gitea + "/statuses/0000000000000000000000000000000000000000" // of no commit
		edit     = "PATCH " + gitea + "/issues/comments/0"
		lacking  = `{"message": "token does not have at least one of required scope(s), required=[write:repository], token scope=read:repository"}`
	)
	scoped := func(scopes string) map[string]string { return map[string]string{"X-OAuth-Scopes": scopes} }
	user := map[string]string{"X-AUSERNAME": "deployer"}
	for name, c := range map[string]struct {
		forge    string
		said     said
		lacks    string // all of them, joined
		unproven string
		refused  string
		expires  string
	}{
		"GitHub, classic":             {forge: "github", said: said{github: {header: scoped("repo, read:org"), body: `{"private": true, "permissions": {"push": true}}`}}},
		"GitHub, classic, public":     {forge: "github", said: said{github: {header: scoped("public_repo"), body: `{"permissions": {"push": true}}`}}},
		"GitHub, public for private":  {forge: "github", said: said{github: {header: scoped("public_repo"), body: `{"private": true, "permissions": {"push": true}}`}}, lacks: "the scope repo"},
		"GitHub, no scope":            {forge: "github", said: said{github: {header: scoped(""), body: `{"permissions": {"push": true}}`}}, lacks: "the scope repo"},
		"GitHub, reader":              {forge: "github", said: said{github: {header: scoped("repo"), body: `{"permissions": {"push": false}}`}}, lacks: "the right to write"},
		"GitHub, fine-grained":        {forge: "github", said: said{github: {header: map[string]string{"GitHub-Authentication-Token-Expiration": "2027-03-01 10:00:00 UTC"}, body: `{"permissions": {"push": true}}`}}, unproven: "only the first one shows", expires: "2027-03-01"},
		"GitHub, sees none":           {forge: "github", said: said{}, refused: "token may not see a repository"},
		"GitHub, a page":              {forge: "github", said: said{github: {body: `"hello"`}}, refused: "the address of the API, not of a page"},
		"GitLab":                      {forge: "gitlab", said: said{gitlab: {body: `{"permissions": {"project_access": {"access_level": 30}}}`}, self: {body: `{"scopes": ["api"], "expires_at": "2027-01-31"}`}}, expires: "2027-01-31"},
		"GitLab, by its group":        {forge: "gitlab", said: said{gitlab: {body: `{"permissions": {"project_access": {"access_level": 20}, "group_access": {"access_level": 40}}}`}, self: {body: `{"scopes": ["api", "read_user"]}`}}},
		"GitLab, reporter, reads":     {forge: "gitlab", said: said{gitlab: {body: `{"permissions": {"project_access": {"access_level": 20}}}`}, self: {body: `{"scopes": ["read_api"]}`}}, lacks: "the role Developer, the scope api"},
		"GitLab, OAuth":               {forge: "gitlab", said: said{gitlab: {body: `{"permissions": {"group_access": {"access_level": 40}}}`}}, unproven: "only the first one shows"},
		"GitLab, administrator":       {forge: "gitlab", said: said{gitlab: {body: `{"permissions": {"project_access": null, "group_access": null}}`}, self: {body: `{"scopes": ["api"]}`}}, unproven: "the role of"},
		"Gitea":                       {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 422}, edit: {code: 422}}},
		"Gitea, no content first":     {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 404}, edit: {code: 404}}},
		"Gitea, reader":               {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": false}}`}, mark: {code: 403, body: `{"message": "user should have a permission to write to a repo"}`}, edit: {code: 422}}, lacks: "the right to write", unproven: "only the first one shows"},
		"Gitea, reads":                {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 403, body: lacking}, edit: {code: 403, body: lacking}}, lacks: "the scope write:repository, the scope write:issue"},
		"Gitea, no comments":          {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 422}, edit: {code: 403, body: lacking}}, lacks: "the scope write:issue"},
		"Gitea, archived":             {forge: "gitea", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 422}, edit: {code: 423}}, unproven: "only the first one shows"},
		"Gitea, no scope":             {forge: "gitea", said: said{gitea: {code: 403, body: `{"message": "token does not have at least one of required scope(s): [read:repository]"}`}}, refused: "lacks a right: it needs write:repository"},
		"Forgejo":                     {forge: "forgejo", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 422}, edit: {code: 422}}},
		"Forgejo, reads":              {forge: "forgejo", said: said{gitea: {body: `{"permissions": {"push": true}}`}, mark: {code: 403, body: `{"message": "token does not have at least one of required scope(s): [write:repository]"}`}, edit: {code: 422}}, lacks: "the scope write:repository"},
		"Bitbucket":                   {forge: "bitbucket", said: said{cloud: {header: scoped("repository:write, pullrequest:write"), body: `{}`}}},
		"Bitbucket, API token":        {forge: "bitbucket", said: said{cloud: {header: scoped("write:repository:bitbucket, write:pullrequest:bitbucket"), body: `{}`}}},
		"Bitbucket, no pull requests": {forge: "bitbucket", said: said{cloud: {header: scoped("repository:write"), body: `{}`}}, lacks: "“Pull requests: write”"},
		"Bitbucket, silent":           {forge: "bitbucket", said: said{cloud: {body: `{}`}}, unproven: "only the first one shows"},
		"Data Center":                 {forge: "bitbucket-server", said: said{server: {header: user, body: `{"id": 5, "name": "Infra"}`}, writable: {header: user, body: `{"values": [{"id": 4, "name": "Infra"}, {"id": 5, "name": "Infra"}]}`}}},
		"Data Center, reader":         {forge: "bitbucket-server", said: said{server: {header: user, body: `{"id": 5, "name": "Infra"}`}, writable: {header: user, body: `{"values": [{"id": 4, "name": "Infra"}]}`}}, lacks: "“Repository write”"},
		"Data Center, nobody":         {forge: "bitbucket-server", said: said{server: {body: `{"id": 5, "name": "Infra"}`}}, refused: "wrong, expired or revoked"},
		"Azure":                       {forge: "azure-devops", said: said{whose: {body: `{"authenticatedUser": {"id": "7"}}`}, azure: {body: `{}`}}, unproven: "only the first one shows"},
		"Azure, nobody":               {forge: "azure-devops", said: said{whose: {body: `{"authenticatedUser": {"id": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"}}`}, azure: {body: `{}`}}, refused: "wrong, expired or revoked"},
		"Azure, sign in":              {forge: "azure-devops", said: said{whose: {code: 203, body: `{}`}}, refused: "wrong, expired or revoked"},
		"Azure, sees none":            {forge: "azure-devops", said: said{whose: {body: `{"authenticatedUser": {"id": "7"}}`}}, refused: "token may not see a repository"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.said.serve(t, named(t, c.forge)).Examine(t.Context())
			if c.refused != "" {
				refusal, ok := err.(*Refusal)
				if !ok || !strings.Contains(refusal.Hint, c.refused) || strings.Contains(err.Error(), fakeToken) {
					t.Errorf("%v, %+v", err, refusal)
				}
				return
			}
			lacks := strings.Join(got.Lacks, ", ")
			if err != nil || !strings.HasPrefix(lacks, c.lacks) || (lacks == "") != (c.lacks == "") ||
				!strings.Contains(got.Unproven, c.unproven) || (got.Unproven == "") != (c.unproven == "") || got.Needs == "" {
				t.Errorf("%+v, %v", got, err)
			}
			if at := got.Expires.Format(time.DateOnly); c.expires != "" && at != c.expires || c.expires == "" && !got.Expires.IsZero() {
				t.Errorf("it expires on %s", at)
			}
		})
	}
}

func TestAWrongTokenIsNoticedAtEveryForge(t *testing.T) {
	each(t, func(t *testing.T, p provider) {
		wrong := p
		wrong.auth = func(*http.Request) bool { return false }
		_, err := said{}.serve(t, wrong).Examine(t.Context())
		if r, ok := err.(*Refusal); !ok || r.Status != http.StatusUnauthorized || !strings.Contains(r.Hint, "wrong, expired or revoked") {
			t.Errorf("%v", err)
		}
	})
}
