package pipeline

import (
	"strings"
	"testing"

	"deployer/state"
)

func TestWhereAForgeKeepsAPullRequest(t *testing.T) {
	for provider, want := range map[string]string{
		"github":           "refs/pull/7/merge refs/pull/7/head refs/heads/topic",
		"gitea":            "refs/pull/7/merge refs/pull/7/head refs/heads/topic",
		"forgejo":          "refs/pull/7/merge refs/pull/7/head refs/heads/topic",
		"azure-devops":     "refs/pull/7/merge refs/pull/7/head refs/heads/topic",
		"gogs":             "refs/pull/7/head refs/heads/topic",
		"gitlab":           "refs/merge-requests/7/merge refs/merge-requests/7/head refs/heads/topic",
		"bitbucket-server": "refs/pull-requests/7/from refs/heads/topic",
		"bitbucket":        "refs/heads/topic",
	} {
		r := &state.Review{Pull: 7, HeadRef: "refs/heads/topic"}
		if got := strings.Join(proposalRefs(provider, r), " "); got != want {
			t.Errorf("%s: %s, want %s", provider, got, want)
		}
		r.Fork = true
		if got := strings.Join(proposalRefs(provider, r), " "); strings.Contains(got, "topic") {
			t.Errorf("%s: a fork's branch is looked for in the base: %s", provider, got)
		}
	}
}
