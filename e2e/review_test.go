package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"deployer/forge"
	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// tell posts a delivery of GitLab, and returns what the answer queues.
func (p *product) tell(event string, payload map[string]any) (runs, reviews []struct{ ID, Stack string }, ignored string) {
	p.t.Helper()
	body, err := json.Marshal(payload)
	if err != nil {
		p.t.Fatal(err)
	}
	status, answer := p.send(string(body), func(r *http.Request) {
		r.Header.Set("X-Gitlab-Event", event)
		r.Header.Set("X-Gitlab-Token", p.Keys["hook"])
		r.Header.Set("Idempotency-Key", state.NewRunID())
	})
	var said struct {
		Runs, Reviews []struct{ ID, Stack string }
		Ignored       string
	}
	if err := json.Unmarshal([]byte(answer), &said); err != nil || status >= 300 {
		p.t.Fatalf("answered %d: %s", status, answer)
	}
	return said.Runs, said.Reviews, said.Ignored
}

// A merge request that opens a port, changes an image and drops a variable
// reads so in its comment, and what it said is true after the merge.
func TestAMergeRequestIsPlannedAndTheWordsAreTrue(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	old, next, port := p.Image(), p.Image("ENV GENERATION=2"), freePort(t)
	compose := func(image, more string) gittest.File {
		return gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {API_SECRET: "${API_SECRET}", LEVEL: "${LEVEL}"%s
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
  side:
    image: %s
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
`, image, more, old))
	}
	secret := "canary-env-" + p.Keys["viewer"]
	_, first := p.Push("one", gittest.Files{
		"compose.yaml":    compose(old, `, FLAG: "1"}`),
		".env.production": p.Sealed("API_SECRET=" + secret + "\nLEVEL=info\nUNUSED=gone-soon-" + secret + "\n"),
	})
	producttest.MustEnd(t, first, state.RunSucceeded)
	before := p.Containers()

	p.Configure("gitlab", "")
	if !p.Reload() {
		t.Fatal(p.Log.String())
	}
	head := p.Repo.CommitOn("refs/heads/main", "topic", "open a port", gittest.Files{
		"compose.yaml":    compose(next, fmt.Sprintf("}\n    ports: [\"127.0.0.1:%s:8080\"]", port)),
		".env.production": p.Sealed("API_SECRET=" + secret + "\nLEVEL=debug\n"),
	})
	merge := p.Repo.Git("-c", "user.name=x", "-c", "user.email=x@example.com", "commit-tree", "-p", "refs/heads/main", "-p", head, "-m", "Merge topic", head+"^{tree}")
	p.Repo.Git("update-ref", "refs/merge-requests/5/head", head)
	p.Repo.Git("update-ref", "refs/merge-requests/5/merge", merge)
	request := func(action string, more map[string]any) map[string]any {
		is := map[string]any{"iid": 5, "action": action, "title": "open a port", "source_branch": "topic", "target_branch": "main",
			"source_project_id": 1, "target_project_id": 1, "last_commit": map[string]any{"id": head}}
		for k, v := range more {
			is[k] = v
		}
		return map[string]any{"object_kind": "merge_request", "user": map[string]any{"username": "ada"}, "object_attributes": is}
	}
	runs, reviews, ignored := p.tell("Merge Request Hook", request("open", nil))
	if len(runs) != 0 || len(reviews) != 1 || reviews[0].Stack != p.Stack {
		t.Fatalf("queued %v and %v, ignored %q", runs, reviews, ignored)
	}
	review := p.Wait(reviews[0].ID)
	producttest.MustEnd(t, review, state.RunSucceeded)
	if review.Commit != merge || review.Review.Head != head || review.Review.Behind {
		t.Errorf("planned %s of %+v", review.Commit, review.Review)
	}
	if diff := cmp.Diff(before, p.Containers()); diff != "" {
		t.Error("it touched a container:", diff)
	}
	_, comment := forge.Comment(p.URL, review)
	for _, says := range []string{
		"Merging this would **recreate 1 service** in " + p.Stack, "1 kept as they are",
		"opens port <code>127.0.0.1&#58;" + port + "&#58;8080</code> of <code>web</code>",
		"removes the variable <code>FLAG</code> from <code>web</code>", "removes the secret <code>UNUSED</code>",
		"<code>LEVEL</code> | changed",
	} {
		if !strings.Contains(comment, says) {
			t.Errorf("the comment does not say %q:\n%s", says, comment)
		}
	}
	if strings.Contains(comment+p.RunLog(review.ID), "canary-") {
		t.Errorf("a secret is in the comment or the log:\n%s", comment)
	}
	var images []string
	for _, i := range review.Changes.Images {
		images = append(images, i.Service+" "+i.Old+" "+i.New)
	}
	if len(images) != 1 || images[0] != "web "+old+" "+next || review.Changes.Images[0].NewDigest == "" {
		t.Errorf("images %v: %+v", images, review.Changes.Images)
	}

	p.Repo.Reset("main", merge)
	runs, _, ignored = p.tell("Push Hook", map[string]any{"object_kind": "push", "ref": "refs/heads/main", "before": first.Commit, "after": merge, "checkout_sha": merge, "user_username": "ada"})
	if len(runs) != 1 {
		t.Fatalf("the push queued %v, ignored %q", runs, ignored)
	}
	p.tell("Merge Request Hook", request("merge", map[string]any{"merge_commit_sha": merge}))
	deploy := p.Wait(runs[0].ID)
	producttest.MustEnd(t, deploy, state.RunSucceeded)
	if diff := cmp.Diff(review.Changes.Services, deploy.Changes.Services); diff != "" {
		t.Error("the plan was not what the deploy did:", diff)
	}
	if diff := cmp.Diff(review.Changes.Images, deploy.Changes.Images); diff != "" {
		t.Error("the images are others:", diff)
	}
	var after struct{ Reviews []*state.Run }
	if status := p.Call("viewer", http.MethodGet, "/api/v1/reviews?status=succeeded", nil, &after); status != http.StatusOK || len(after.Reviews) != 1 {
		t.Fatalf("answered %d with %d reviews", status, len(after.Reviews))
	}
	_, comment = forge.Comment("", after.Reviews[0])
	if o := after.Reviews[0].Review.Outcome; o == nil || o.Run != deploy.ID || !strings.Contains(comment, "**Merged and deployed**") {
		t.Errorf("after the merge: %+v\n%s", o, comment)
	}
}
