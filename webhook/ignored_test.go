package webhook

import (
	"errors"
	"strings"
	"testing"

	"deployer/state"
)

func TestEventsThatNothingReactsToSayWhy(t *testing.T) {
	tests := map[string]struct{ provider, header, event, want string }{
		"ping":          {"github", "X-GitHub-Event", "ping", "ping: the webhook is set up"},
		"create":        {"github", "X-GitHub-Event", "create", "create: the push event says the same"},
		"gitea delete":  {"gitea", "X-Gitea-Event", "delete", "delete: the push event says the same"},
		"issues":        {"github", "X-GitHub-Event", "issues", "issues: nothing here reacts"},
		"gitea comment": {"gitea", "X-Gitea-Event", "pull_request_comment", "pull_request_comment: nothing here reacts"},
	}
	for what, tt := range tests {
		t.Run(what, func(t *testing.T) {
			e := parseOne(t, provider(t, tt.provider), request(`{"zen":"x"}`, tt.header, tt.event))
			if e.Kind != state.EventIgnored || !strings.HasPrefix(e.Ignored, tt.want) {
				t.Errorf("got kind %q, reason %q", e.Kind, e.Ignored)
			}
		})
	}
}

func TestADeliveryThatDoesNotNameItsEventIsMalformed(t *testing.T) {
	for _, name := range []string{"github", "gitea"} {
		if _, err := provider(t, name).Parse(request(smallPush)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v, want ErrMalformed", name, err)
		}
	}
}

func TestPullRequest(t *testing.T) {
	body := `{"action":"opened","pull_request":{"title":"add a cache","body":null,"user":{"login":"ada"},"head":null,"base":{"ref":"main","repo":{"id":1}}},"number":7,"sender":{"login":"bob"}}`
	for name, header := range map[string]string{"github": "X-GitHub-Event", "gitea": "X-Gitea-Event"} {
		e := parseOne(t, provider(t, name), request(body, header, "pull_request"))
		if e.Kind != state.EventPullRequest || e.Subject != "add a cache" || e.Author != "ada" || e.Actor != "bob" ||
			*e.PullRequest != (state.PullRequest{Number: 7, Action: state.PullOpened, Base: "refs/heads/main", Fork: true}) {
			t.Errorf("%s: got %+v", name, e)
		}
		if _, err := provider(t, name).Parse(request(`{"pull_request":null}`, header, "pull_request")); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: null pull request: %v, want ErrMalformed", name, err)
		}
	}
}
