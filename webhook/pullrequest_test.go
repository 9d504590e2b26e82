package webhook

import (
	"errors"
	"strings"
	"testing"

	"deployer/state"
)

func TestAPullRequestIsFromAForkUnlessTheRepositoriesAreOne(t *testing.T) {
	for what, tt := range map[string]struct {
		head, base string
		fork       bool
	}{
		"one repository":             {`{"ref":"x","repo":{"id":1}}`, `{"ref":"main","repo":{"id":1}}`, false},
		"another repository":         {`{"ref":"x","repo":{"id":2}}`, `{"ref":"main","repo":{"id":1}}`, true},
		"a repository that is gone":  {`{"ref":"x","repo":null}`, `{"ref":"main","repo":{"id":1}}`, true},
		"gone, with an id left":      {`{"ref":"x","repo":null,"repo_id":1}`, `{"ref":"main","repo":{"id":1},"repo_id":1}`, true},
		"no head":                    {`null`, `{"ref":"main","repo":{"id":1}}`, true},
		"only ids, the same":         {`{"ref":"x","repo_id":6}`, `{"ref":"main","repo_id":6}`, false},
		"only ids, different":        {`{"ref":"x","repo_id":7}`, `{"ref":"main","repo_id":6}`, true},
		"nothing that tells them":    {`{"ref":"x"}`, `{"ref":"main"}`, true},
		"repositories without an id": {`{"ref":"x","repo":{}}`, `{"ref":"main","repo":{}}`, true},
	} {
		t.Run(what, func(t *testing.T) {
			body := `{"action":"opened","number":1,"pull_request":{"head":` + tt.head + `,"base":` + tt.base + `}}`
			e := parseOne(t, github{}, request(body, "X-GitHub-Event", "pull_request"))
			if e.Kind != state.EventPullRequest || e.PullRequest.Fork != tt.fork {
				t.Errorf("got %+v", e.PullRequest)
			}
		})
	}
	shared := `"branch":{"name":"x"},"repository":{"uuid":"{1}","full_name":"`
	body := `{"pullrequest":{"id":1,"source":{` + shared + `evil/shop"}},"destination":{` + shared + `ops/shop"}}}}`
	if e := parseOne(t, bitbucket{}, request(body, "X-Event-Key", "pullrequest:created")); !e.PullRequest.Fork {
		t.Error("another full name is another repository")
	}
	for project, fork := range map[string]bool{"5": false, "6": true, "null": true} {
		body := `{"object_kind":"merge_request","object_attributes":{"iid":1,"action":"open","target_branch":"main","target_project_id":5,"source_project_id":` + project + `}}`
		if e := parseOne(t, gitlab{}, request(body, "X-Gitlab-Event", "Merge Request Hook")); e.PullRequest.Fork != fork {
			t.Errorf("gitlab, source project %s: %+v", project, e.PullRequest)
		}
	}
	azureBody := `{"id":"1","eventType":"git.pullrequest.created","resource":{"pullRequestId":1,"targetRefName":"refs/heads/main","repository":{"id":"a"},"forkSource":{"repository":{"id":"b"}}}}`
	if e := parseOne(t, azure{}, request(azureBody)); !e.PullRequest.Fork {
		t.Error("azure: a fork's source is not seen")
	}
}

func TestWhatChangesNothingOfAPlanIsIgnoredWithTheReason(t *testing.T) {
	end := `"head":{"ref":"x","repo_id":1},"base":{"ref":"main","repo_id":1}`
	for what, tt := range map[string]struct {
		provider string
		r        Request
		planned  bool
	}{
		"a label":                 {"github", request(`{"action":"labeled","number":1,"pull_request":{`+end+`}}`, "X-GitHub-Event", "pull_request"), false},
		"a title":                 {"github", request(`{"action":"edited","number":1,"changes":{"title":{"from":"a"}},"pull_request":{`+end+`}}`, "X-GitHub-Event", "pull_request"), false},
		"another base":            {"github", request(`{"action":"edited","number":1,"changes":{"base":{"ref":{"from":"a"}}},"pull_request":{`+end+`}}`, "X-GitHub-Event", "pull_request"), true},
		"another base of gitea":   {"gitea", request(`{"action":"edited","number":1,"changes":{"ref":{"from":"a"}},"pull_request":{`+end+`}}`, "X-Gitea-Event", "pull_request"), true},
		"a gitea label":           {"gitea", request(`{"action":"label_updated","number":1,"pull_request":{`+end+`}}`, "X-Gitea-Event", "pull_request"), false},
		"an approval":             {"gitlab", request(`{"object_kind":"merge_request","object_attributes":{"iid":1,"action":"approved"}}`, "X-Gitlab-Event", "Merge Request Hook"), false},
		"a title of bitbucket":    {"bitbucket-server", request(`{"pullRequest":{"id":1,"toRef":{"id":"refs/heads/main"}},"previousTarget":{"id":"refs/heads/main"}}`, "X-Event-Key", "pr:modified"), false},
		"another target branch":   {"bitbucket-server", request(`{"pullRequest":{"id":1,"toRef":{"id":"refs/heads/main"}},"previousTarget":{"id":"refs/heads/dev"}}`, "X-Event-Key", "pr:modified"), true},
		"a comment of bitbucket":  {"bitbucket", request(`{}`, "X-Event-Key", "pullrequest:comment_created"), false},
		"a comment of azure":      {"azure-devops", request(`{"id":"1","eventType":"git.pullrequest.commented"}`), false},
		"a review asked in gitea": {"forgejo", request(`{"action":"review_requested","number":1,"pull_request":{`+end+`}}`, "X-Forgejo-Event", "pull_request"), false},
	} {
		t.Run(what, func(t *testing.T) {
			e := parseOne(t, provider(t, tt.provider), tt.r)
			if (e.Kind == state.EventPullRequest) != tt.planned {
				t.Fatalf("got %+v", e)
			}
			if !tt.planned && !strings.Contains(e.Ignored, ": ") {
				t.Errorf("ignored as %q", e.Ignored)
			}
		})
	}
}

func TestMalformedPullRequests(t *testing.T) {
	for what, body := range map[string]string{
		"no number":        `{"action":"opened","pull_request":{"base":{"ref":"main"}}}`,
		"a negative one":   `{"action":"opened","number":-1,"pull_request":{"base":{"ref":"main"}}}`,
		"no base":          `{"action":"opened","number":1,"pull_request":{}}`,
		"a base with ..":   `{"action":"opened","number":1,"pull_request":{"base":{"ref":"../x"}}}`,
		"a head with ..":   `{"action":"opened","number":1,"pull_request":{"base":{"ref":"main"},"head":{"ref":"a..b"}}}`,
		"a head of no hex": `{"action":"opened","number":1,"pull_request":{"base":{"ref":"main"},"head":{"ref":"a","sha":"zzzzzzzz"}}}`,
	} {
		if events, err := (github{}).Parse(request(body, "X-GitHub-Event", "pull_request")); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %+v, %v, want ErrMalformed", what, events, err)
		}
	}
}
