package server

import (
	"net/http"
	"strings"
	"testing"

	"deployer/state"
)

func reviewed(r *state.Run) {
	r.Kind, r.Commit = state.KindReview, commitA
	r.Review = &state.Review{Pull: 7, Title: "Open <b>", Base: "main", Head: commitA, HeadRef: "refs/heads/topic", Behind: true, Stale: true,
		Ended: state.EndedMerged, Merged: commitB, Outcome: &state.Outcome{Run: "r", Commit: commitB, Status: state.RunRolledBack, Error: "https answered 502", RolledBackTo: commitA}}
	r.Changes = &state.Changes{
		Against:  commitB,
		Images:   []state.ImageChange{{Service: "web", Old: "web:1", New: "web:2", OldDigest: "sha256:1", NewDigest: "sha256:2"}},
		Ports:    []state.PortChange{{Service: "web", Port: "8080:80", Kind: state.ChangeAdded}},
		Volumes:  []state.NamedChange{{Name: "data", Kind: state.ChangeChanged, Dangerous: true, Why: "it moves"}},
		Networks: []state.NamedChange{{Name: "front", Kind: state.ChangeRemoved}},
		Values:   []state.ValueChange{{Name: "HOST", Kind: state.ChangeChanged, Old: "a.example.com", New: "b.example.com"}},
		Passed:   []state.PassedChange{{Service: "web", Name: "GONE_VAR", Kind: state.ChangeRemoved}},
		Secrets:  []state.NamedChange{{Name: "PASSWORD", Kind: state.ChangeChanged}},
		Files:    []state.NamedChange{{Name: "./conf", Kind: state.ChangeAdded, Why: "mounted by web"}},
		Pipeline: []state.LineChange{{Kind: state.ChangeAdded, Line: 2, Text: "verify: []"}},
		Checks:   []state.Step{{Name: "env", Status: state.StepPassed, Message: "all set"}},
		Notes:    []string{"the image of web is not here"},
	}
}

func TestReviewsAreFoundAndShown(t *testing.T) {
	f := newFixture(t)
	deploy := f.putRun("registry", state.RunSucceeded)
	review := f.putRun("registry", state.RunSucceeded, reviewed)
	f.putRun("website", state.RunFailed, func(r *state.Run) { r.Kind, r.Review = state.KindReview, &state.Review{Pull: 8} })

	got := decodeAs[listOfReviews](t, f.call(RoleViewer, http.MethodGet, "/api/v1/reviews?stack=registry", "").expect(t, http.StatusOK))
	if ids(got.Reviews) != ids([]*state.Run{review}) {
		t.Errorf("found %s", ids(got.Reviews))
	}
	if got := decodeAs[listOfReviews](t, f.call(RoleViewer, http.MethodGet, "/api/v1/reviews?limit=1", "").expect(t, http.StatusOK)); len(got.Reviews) != 1 || got.Next == "" {
		t.Errorf("a page has %d reviews, next %q", len(got.Reviews), got.Next)
	}
	one := decodeAs[state.Run](t, f.call(RoleViewer, http.MethodGet, "/api/v1/reviews/"+review.ID, "").expect(t, http.StatusOK))
	if one.Review.Outcome.Status != state.RunRolledBack || one.Changes.Ports[0].Port != "8080:80" || one.Changes.Services == nil {
		t.Errorf("got %+v", one)
	}
	f.call(RoleViewer, http.MethodGet, "/api/v1/reviews/"+deploy.ID, "").expect(t, http.StatusNotFound)
	f.call(RoleViewer, http.MethodGet, "/api/v1/reviews?kind=deploy", "").expect(t, http.StatusBadRequest)

	cookies := f.signIn(RoleViewer, "/").Cookies()
	for path, shown := range map[string][]string{
		"/stacks/registry":   {"7 Open &lt;b&gt; (merged)", review.ID, "stale: the base moved", deploy.ID},
		"/runs/" + review.ID: {"7 into main", "behind the base", "rolled_back", "web:1 → web:2", "8080:80", "opened", "<strong>changed</strong>", "a.example.com → b.example.com", "GONE_VAR", "PASSWORD", "./conf", "verify: []", "is not here"},
	} {
		page := f.browse(http.MethodGet, path, "", cookies).expect(t, http.StatusOK)
		for _, text := range shown {
			if !strings.Contains(page.body, text) {
				t.Errorf("%s does not show %q", path, text)
			}
		}
	}
}

// A review is no operation of its stack.
func TestAStackThatIsReviewedIsIdle(t *testing.T) {
	f := newFixture(t)
	f.putRun("registry", state.RunRunning, reviewed)
	got := decodeAs[stackView](t, f.call(RoleViewer, http.MethodGet, "/api/v1/stacks/registry", "").expect(t, http.StatusOK))
	if got.Operation != operationIdle {
		t.Errorf("it is %s", got.Operation)
	}
}

// A review that is of no stack is on the first page, since no other has it.
func TestReviewsOfNoStackAreShown(t *testing.T) {
	f := newFixture(t)
	cookies := f.signIn(RoleViewer, "/").Cookies()
	review := func(stack string, more func(*state.Run)) {
		f.putRun(stack, state.RunFailed, func(r *state.Run) {
			r.Kind, r.Error = state.KindReview, "why "+stack+" <fails>"
			r.Review = &state.Review{Pull: 9, Title: "Title of " + stack, Folder: &state.Folder{Template: "apps/*", Directory: "apps", Change: state.FolderUnread}}
			more(r)
		})
	}
	const title = "Pull requests for folders that are no stack"
	review("registry", func(*state.Run) {})
	review("closed", func(r *state.Run) { r.Review.Ended = state.EndedClosed })
	review("older", func(r *state.Run) { r.Status = state.RunSuperseded })
	if page := f.browse(http.MethodGet, "/", "", cookies).expect(t, http.StatusOK); strings.Contains(page.body, title) {
		t.Error("it shows reviews that are over, or on another page")
	}
	review("apps/*", func(*state.Run) {})
	page := f.browse(http.MethodGet, "/", "", cookies).expect(t, http.StatusOK)
	for _, want := range []string{title, "apps/*", "9 Title of apps/*", "why apps/* &lt;fails&gt;"} {
		if !strings.Contains(page.body, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}
