package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/giteatest"
	"deployer/state"
)

// forged is a product whose config repository is at a real Gitea.
type forged struct {
	*product
	gitea *giteatest.Server
	ops   *giteatest.User // owns the repository
	bot   *giteatest.User // deployer's, which may write to it
	token string          // of ops
	push  string          // clone URL of ops
}

const inGitea = "/repos/ops/infra"

// atGitea moves the product to a new Gitea: it clones, writes statuses and
// comments with tokens of a user of its own, and has a webhook there for
// these events, whose content is json or form.
func atGitea(t *testing.T, content string, events ...string) *forged {
	t.Helper()
	g := giteatest.Start(t)
	f := &forged{product: newProduct(t), gitea: g, ops: g.User("ops"), bot: g.User("deployer")}
	clone := f.ops.Repository("infra")
	f.push, f.token = f.ops.Git(clone), f.ops.Token("write:repository", "write:issue")
	g.Must(f.token, http.MethodPut, inGitea+"/collaborators/deployer", map[string]any{"permission": "write"}, nil)

	f.Keys["git"] = f.bot.Token("read:repository")
	f.Write("git.password", f.Keys["git"])
	f.Keys["forge"] = f.bot.Token("write:repository", "write:issue")
	f.Write("forge.token", f.Keys["forge"])
	f.Configure("gitea", "")
	f.edit(f.Git.URL, clone)
	f.edit("    poll: 0\n", fmt.Sprintf("    poll: 0\n    forge: {api: %q, token_file: %s}\n", g.URL, f.Path("forge.token")))
	f.mustReload()
	g.Must(f.token, http.MethodPost, inGitea+"/hooks", map[string]any{
		"type": "gitea", "active": true, "events": events,
		"config": map[string]string{"url": f.URL + "/hooks/config", "content_type": content, "secret": f.Keys["hook"]},
	}, nil)
	return f
}

// pushed commits to main, pushes, and returns the run that Gitea's delivery
// queued when it is over.
func (f *forged) pushed(message string, files gittest.Files) (commit string, run *state.Run) {
	f.t.Helper()
	commit = f.Repo.Commit("main", message, files)
	f.Repo.Git("push", "-q", f.push, "main")
	return commit, f.runOf(commit)
}

func (f *forged) runOf(commit string) *state.Run {
	f.t.Helper()
	id := ""
	f.Eventually(time.Minute, "Gitea's delivery of "+commit+" queues a run", func() bool {
		for _, run := range f.History() {
			if run.Commit == commit {
				id = run.ID
			}
		}
		return id != ""
	})
	return f.Wait(id)
}

// marked waits until a commit's last status is as wanted, and returns the
// states that it went through.
func (f *forged) marked(commit, context, state, description string) (all []string) {
	f.t.Helper()
	var list []struct {
		Status, Context, Description string
		Creator                      struct{ Login string }
	}
	f.Eventually(time.Minute, "Gitea shows "+state+" "+description, func() bool {
		f.gitea.Must(f.token, http.MethodGet, inGitea+"/statuses/"+commit+"?sort=highestindex", nil, &list) // which has the highest last
		all = nil
		said := ""
		for _, s := range list {
			if s.Context == context && s.Creator.Login == "deployer" {
				all, said = append(all, s.Status), s.Description
			}
		}
		return len(all) > 0 && all[len(all)-1] == state && strings.Contains(said, description)
	})
	return all
}

// proposed pushes a commit on a branch and opens a pull request, or adds to
// the one that is there.
func (f *forged) proposed(branch, parent string, pull int, files gittest.Files) (number int) {
	f.t.Helper()
	f.Repo.CommitOn(parent, branch, "propose on "+branch, files)
	f.Repo.Git("push", "-q", f.push, branch)
	if pull != 0 {
		return pull
	}
	var made struct{ Number int }
	f.gitea.Must(f.token, http.MethodPost, inGitea+"/pulls", map[string]any{"head": branch, "base": "main", "title": "from " + branch}, &made)
	return made.Number
}

// commented waits until the pull request has one comment, which says this.
func (f *forged) commented(pull int, says string) (id int64, text string) {
	f.t.Helper()
	var list []struct {
		ID   int64
		Body string
		User struct{ Login string }
	}
	f.Eventually(time.Minute, "the comment says "+says, func() bool {
		f.gitea.Must(f.token, http.MethodGet, fmt.Sprintf("%s/issues/%d/comments", inGitea, pull), nil, &list)
		if len(list) > 1 {
			f.t.Fatalf("there is more than one comment: %+v", list)
		}
		return len(list) == 1 && strings.Contains(list[0].Body, says) && list[0].User.Login == "deployer"
	})
	return list[0].ID, list[0].Body
}

// merge presses the button, which Gitea offers once it has tried the merge.
func (f *forged) merge(pull int) (commit string) {
	f.t.Helper()
	path := fmt.Sprintf("%s/pulls/%d", inGitea, pull)
	var err error
	f.Eventually(time.Minute, "Gitea merges", func() bool {
		err = f.gitea.Call(f.token, http.MethodPost, path+"/merge", map[string]any{"Do": "merge", "delete_branch_after_merge": true}, nil)
		return err == nil || !strings.Contains(err.Error(), "try again later")
	})
	if err != nil {
		f.t.Fatal(err)
	}
	var merged struct {
		Commit string `json:"merge_commit_sha"`
	}
	f.gitea.Must(f.token, http.MethodGet, path, nil, &merged)
	return merged.Commit
}

// everything is what a webhook can be sent of what happens here.
var everything = []string{"create", "delete", "issues", "issue_comment", "push", "pull_request", "pull_request_review", "release", "repository", "status"}

// tookAll fails the test where a delivery was not taken, what deployer's own
// comments and statuses set off included, or none of one of the events came.
func (f *forged) tookAll(events ...string) {
	f.t.Helper()
	came := map[string]bool{}
	for _, d := range f.ops.Webhook("infra", 1).Deliveries() {
		came[d.Event] = true
		away := d.Status == "0" || d.Status == "" // stopped, or not asked yet
		if d.Status != "200" && d.Status != "202" && !away {
			f.t.Errorf("a delivery was not taken: %+v", d)
		}
	}
	for _, event := range events {
		if !came[event] {
			f.t.Errorf("no %s came, but %v", event, came)
		}
	}
}
