package e2e

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"deployer/forge"
	"deployer/gitsync/gittest"
	"deployer/internal/giteatest"
	"deployer/internal/producttest"
	"deployer/state"
)

// At a real Gitea a push, a bad push and a pull request show what became of
// them, with a token that may do what deployer.yaml says and no more.
func TestARealGiteaShowsWhatBecameOfAPush(t *testing.T) {
	t.Parallel()
	f := atGitea(t, "json", everything...)
	image := f.Image()
	good, run := f.pushed("good", oneService(image, "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if run.Trigger.Actor != "ops" {
		t.Errorf("pushed by %+v", run.Trigger)
	}
	deploys := "deployer/" + f.Stack
	if all := f.marked(good, deploys, "success", "live and verified"); all[0] != "pending" {
		t.Errorf("the states were %v", all)
	}
	bad, run := f.pushed("bad", and(oneService(image, "two"), gittest.Files{
		"pipeline.yaml": gittest.Text("verify: [{check: tcp, address: \"127.0.0.1:1\"}]\n"),
	}))
	producttest.MustEnd(t, run, state.RunRolledBack)
	f.marked(bad, deploys, "failure", "rolled back to "+good[:7])
	mended, run := f.pushed("mended", and(oneService(image, "one"), gittest.Files{"pipeline.yaml": gittest.Removed()}))
	producttest.MustEnd(t, run, state.RunUnchanged)
	f.marked(mended, deploys, "success", "")

	// The first that it writes after a start is the plan.
	f.Stop()
	f.Start()
	pull := f.proposed("topic", "refs/heads/main", 0, oneService(image, "three"))
	first, _ := f.commented(pull, "Merging this would **recreate 1 service**")
	f.marked(f.Repo.Tip("topic"), deploys+"/plan", "success", "")
	f.proposed("topic", "refs/heads/topic", pull, oneService(image, "one"))
	if id, text := f.commented(pull, "Merging this **changes nothing**"); id != first {
		t.Errorf("it is another comment: %s", text)
	}
	f.proposed("topic", "refs/heads/topic", pull, oneService(image, "four"))
	f.commented(pull, "Merging this would **recreate 1 service**")
	merged := f.merge(pull)
	producttest.MustEnd(t, f.runOf(merged), state.RunSucceeded)
	if id, text := f.commented(pull, "**Merged and deployed**: <code>"+merged[:7]); id != first {
		t.Errorf("it is another comment: %s", text)
	}
	f.marked(merged, deploys, "success", "live and verified")

	// The branch of one that is open goes away: Gitea closes it.
	pull = f.proposed("dropped", mended, 0, oneService(image, "five"))
	f.commented(pull, "Merging this would")
	f.gitea.Must(f.token, http.MethodDelete, inGitea+"/branches/dropped", nil, nil)
	f.commented(pull, "**Closed** without a merge")
	f.tookAll("push", "pull_request", "issue_comment", "status", "create", "delete")
}

// What a person sends from the webhook's page to try it says what it came to,
// and deploys nothing twice.
func TestARealGiteaSendsDeliveriesAgain(t *testing.T) {
	t.Parallel()
	f := atGitea(t, "form", "push", "pull_request")
	commit, run := f.pushed("one", oneService(f.Image(), "one"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	page := f.ops.Webhook("infra", 1)
	answered := func(deliveries int, event, status, says string) {
		t.Helper()
		var newest giteatest.Delivery
		f.Eventually(20*time.Second, "Gitea shows what was answered", func() bool {
			all := page.Deliveries()
			newest = all[0]
			return len(all) == deliveries && newest.Status != ""
		})
		if newest.Event != event || newest.Status != status || !strings.Contains(newest.Answer, says) {
			t.Errorf("answered %+v, want %s %s %s", newest, event, status, says)
		}
	}
	answered(1, "push", "202", run.ID)
	judged := commit[:7] + " was already judged by run " + run.ID
	page.Redeliver(page.Deliveries()[0].ID)
	answered(2, "push", "200", judged)
	f.gitea.Must(f.token, http.MethodPost, inGitea+"/hooks/1/tests", nil, nil)
	answered(3, "push", "200", judged)
	if all := f.History(); len(all) != 1 {
		t.Errorf("there are %d runs", len(all))
	}

	// Of a fork nothing is planned unless deployer.yaml wants it.
	stranger := f.gitea.User("stranger")
	f.gitea.Must(f.token, http.MethodPut, inGitea+"/collaborators/stranger", map[string]any{"permission": "read"}, nil)
	token := stranger.Token("write:repository")
	f.gitea.Must(token, http.MethodPost, inGitea+"/forks", map[string]any{"name": "copy"}, nil)
	f.Repo.CommitOn("refs/heads/main", "topic", "propose", oneService(f.Image(), "two"))
	f.Repo.Git("push", "-q", stranger.Git(f.gitea.URL+"/stranger/copy.git"), "topic")
	f.gitea.Must(token, http.MethodPost, inGitea+"/pulls", map[string]any{"head": "stranger:topic", "base": "main", "title": "from a fork"}, nil)
	answered(4, "pull_request", "200", "fork")

	// deployer knows another secret.
	f.Write("hook.secret", "canary-another-secret-0123456789")
	f.mustReload()
	f.gitea.Must(f.token, http.MethodPost, inGitea+"/hooks/1/tests", nil, nil)
	answered(5, "push", "401", "signature")
}

// What doctor says of a token is what Gitea then does, and it writes nothing.
func TestDoctorKnowsWhatATokenOfARealGiteaMayDo(t *testing.T) {
	t.Parallel()
	f := atGitea(t, "json", "push")
	f.Repo.Commit("main", "one", oneService(f.Image(), "one"))
	f.Repo.Git("push", "-q", f.push, "main")
	commit := f.Repo.Tip("main")
	f.marked(commit, "deployer/"+f.Stack, "success", "live and verified")
	f.gitea.Must(f.token, http.MethodPost, inGitea+"/issues", map[string]any{"title": "to write on"}, nil)
	reader := f.gitea.User("reader")
	f.gitea.Must(f.token, http.MethodPut, inGitea+"/collaborators/reader", map[string]any{"permission": "read"}, nil)

	written := func() string {
		var statuses, comments []struct{ Context, Body string }
		f.gitea.Must(f.token, http.MethodGet, inGitea+"/statuses/"+commit, nil, &statuses)
		f.gitea.Must(f.token, http.MethodGet, inGitea+"/issues/comments", nil, &comments)
		return fmt.Sprint(statuses, comments)
	}
	for name, c := range map[string]struct {
		user             *giteatest.User
		scopes           []string
		finding          string
		says             string
		marks, commented bool
	}{
		"as deployer.yaml says": {f.bot, []string{"write:repository", "write:issue"}, "passed", "may set statuses and write comments", true, true},
		"everything":            {f.bot, []string{"all"}, "passed", "may set statuses and write comments", true, true},
		"no comments":           {f.bot, []string{"write:repository"}, "failed", "lacks the scope write:issue", true, false},
		"comments only":         {f.bot, []string{"read:repository", "write:issue"}, "failed", "lacks the scope write:repository", false, true},
		"reads":                 {f.bot, []string{"read:repository", "read:issue"}, "failed", "lacks the scope write:repository, the scope write:issue", false, false},
		"of another thing":      {f.bot, []string{"read:user"}, "failed", "required=[read:repository]", false, false},
		"public things":         {f.bot, []string{"public-only", "write:repository", "write:issue"}, "failed", "limited to public repos", false, false},
		"a revoked one":         {nil, nil, "failed", "wrong, expired or revoked", false, false},
		"of a reader":           {reader, []string{"write:repository", "write:issue"}, "failed", "lacks the right to write to the repository", false, true},
	} {
		token := strings.Repeat("a", 40)
		if c.user != nil {
			token = c.user.Token(c.scopes...)
		}
		f.Write("forge.token", token)
		before := written()
		out, code := f.CLI("doctor", "-c", f.Path("deployer.yaml"))
		_, said, _ := strings.Cut(out, "forge of config")
		said, _, _ = strings.Cut(said, "clock")
		if (code == 0) != (c.finding == "passed") || !strings.Contains(out, c.finding+"  forge of config") || !strings.Contains(said, c.says) || strings.Contains(out, token) {
			t.Errorf("%s: exit %d, want %s %s:\n%s", name, code, c.finding, c.says, out)
		}
		if after := written(); after != before {
			t.Errorf("%s: doctor has written: %s, before %s", name, after, before)
		}
		marks := f.gitea.Call(token, http.MethodPost, inGitea+"/statuses/"+commit, map[string]any{"state": "success", "context": name}, nil)
		comments := f.gitea.Call(token, http.MethodPost, inGitea+"/issues/1/comments", map[string]any{"body": name}, nil)
		if (marks == nil) != c.marks || (comments == nil) != c.commented {
			t.Errorf("%s: Gitea says %v, %v", name, marks, comments)
		}
	}

	client, err := forge.New(forge.Options{
		Provider: "gitea", API: f.gitea.URL, Repository: f.push, Doer: http.DefaultClient,
		Token: func() (string, error) { return f.Keys["forge"], nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	err = client.SetStatus(t.Context(), forge.Status{Commit: strings.Repeat("1", 40), Context: "deployer/gone", State: forge.Success})
	if gone := (*forge.Refusal)(nil); !errors.As(err, &gone) || !strings.Contains(gone.Hint, "the commit is not there any more") {
		t.Errorf("of a commit that is gone: %v", err)
	}
}
