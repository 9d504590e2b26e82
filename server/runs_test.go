package server

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

// Lists as programs read them.
type (
	listOfRuns struct {
		Runs []*state.Run
		Next string
	}
	listOfReviews struct {
		Reviews []*state.Run
		Next    string
	}
)

func TestWhatProgramsCountOnIsThereWhereItIsEmptyToo(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunQueued, func(r *state.Run) { r.Commit = "" })
	got := decodeAs[map[string]any](t, f.call(RoleViewer, http.MethodGet, "/api/v1/runs/"+run.ID, "").expect(t, http.StatusOK))
	for _, key := range []string{"commit", "subject", "author", "environment", "previous", "error", "hint", "superseded_by", "rolled_back_to", "approved_by"} {
		if _, isText := got[key].(string); !isText {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	for _, key := range []string{"started_at", "finished_at", "changes"} {
		if value, there := got[key]; !there || value != nil {
			t.Errorf("%s is %v", key, value)
		}
	}
	if _, there := got["trigger"].(map[string]any)["reason"]; !there {
		t.Error("the trigger has no reason")
	}
}

func TestRunsAreFoundByWhatTheyAre(t *testing.T) {
	f := newFixture(t)
	old := f.putRun("registry", state.RunSucceeded, func(r *state.Run) {
		r.Commit, r.CreatedAt = commitA, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	})
	failed := f.putRun("website", state.RunFailed, func(r *state.Run) { r.Kind, r.Trigger.Actor = state.KindRollback, "ada" })
	queued := f.putRun("registry", state.RunQueued)
	for query, want := range map[string][]*state.Run{
		"":                                   {queued, failed, old},
		"stack=registry":                     {queued, old},
		"stack=other":                        {},
		"status=failed":                      {failed},
		"kind=rollback":                      {failed},
		"commit=AAAA":                        {old},
		"actor=ada":                          {failed},
		"until=2026-01-02T00:00:00Z":         {old},
		"since=2026-01-02T01:00:00%2B01:00":  {queued, failed},
		"limit=1":                            {queued},
		"before=" + queued.ID:                {failed, old},
		"stack=registry&before=" + failed.ID: {old},
	} {
		t.Run(query, func(t *testing.T) {
			got := decodeAs[listOfRuns](t, f.call(RoleViewer, http.MethodGet, "/api/v1/runs?"+query, "").expect(t, http.StatusOK))
			if ids(got.Runs) != ids(want) {
				t.Errorf("found\n%s, expected\n%s", ids(got.Runs), ids(want))
			}
		})
	}
}

func ids(runs []*state.Run) string {
	var b strings.Builder
	for _, r := range runs {
		b.WriteString(r.ID + "\n")
	}
	return b.String()
}

func TestPagesOfRunsJoinUp(t *testing.T) {
	f := newFixture(t)
	for range 7 {
		f.putRun("registry", state.RunQueued)
	}
	var pages, total int
	for next := ""; ; pages++ {
		got := decodeAs[listOfRuns](t, f.call(RoleViewer, http.MethodGet, "/api/v1/runs?limit=3&before="+next, "").expect(t, http.StatusOK))
		total += len(got.Runs)
		if next = got.Next; next == "" {
			break
		}
	}
	if pages != 2 || total != 7 {
		t.Errorf("%d runs, %d cursors", total, pages)
	}
}

func TestWrongParametersAreNamedWithWhatIsRight(t *testing.T) {
	f := newFixture(t)
	for query, says := range map[string]string{
		"/runs?status=done":                        "queued, waiting, running",
		"/runs?kind=push":                          "deploy, rollback",
		"/runs?limit=0":                            "1 to 500",
		"/runs?limit=501":                          "1 to 500",
		"/runs?limit=ten":                          "1 to 500",
		"/runs?since=yesterday":                    "RFC 3339",
		"/runs?until=2026-01-31":                   "RFC 3339",
		"/runs?commit=main":                        "hexadecimal",
		"/runs?stack=a%00b":                        "control",
		"/runs?before=" + strings.Repeat("a", 201): "too long",
		"/runs?before=newest":                      "next of the page before",
		"/runs?staus=failed":                       "stack, status, kind",
		"/runs?status=failed&status=queued":        "more than once",
		"/runs?stack=%zz":                          "query",
		"/releases?at=now":                         "RFC 3339",
		"/stacks?name=x":                           "not known",
		"/audit?limit=-1":                          "1 to 500",
	} {
		t.Run(query, func(t *testing.T) {
			p := f.call(RoleAdmin, http.MethodGet, "/api/v1"+query, "").expect(t, http.StatusBadRequest).problem(t)
			if !strings.Contains(p.Detail+p.Hint, says) {
				t.Errorf("the problem says %q and %q, not %q", p.Detail, p.Hint, says)
			}
			name, _, _ := strings.Cut(query[strings.Index(query, "?")+1:], "=")
			if _, err := url.ParseQuery(query); err == nil && !strings.Contains(p.Detail, name) {
				t.Errorf("%q does not name the parameter %s", p.Detail, name)
			}
		})
	}
}

func TestApproveAndReject(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunQueued)
	for _, verb := range []string{"approve", "reject"} {
		f.call(RoleViewer, http.MethodPost, "/api/v1/runs/"+run.ID+"/"+verb, "").expect(t, http.StatusForbidden)
		f.call(RoleDeployer, http.MethodPost, "/api/v1/runs/"+run.ID+"/"+verb, `{"reason":"seen"}`).expect(t, http.StatusAccepted)
		if want := verb + " " + run.ID + " {Kind:api Actor:the-deployer Delivery: Reason:seen}"; f.control.asked != want {
			t.Errorf("asked for %s, expected %s", f.control.asked, want)
		}
	}
}

func TestCancelAndRetry(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	a := f.call(RoleDeployer, http.MethodPost, "/api/v1/runs/"+run.ID+"/cancel", `{"reason":"wrong day"}`).expect(t, http.StatusAccepted)
	if got := decodeAs[state.Run](t, a); got.ID != run.ID {
		t.Errorf("answered %s", a.body)
	}
	if want := "cancel " + run.ID + " {Kind:api Actor:the-deployer Delivery: Reason:wrong day}"; f.control.asked != want {
		t.Errorf("asked for %s, expected %s", f.control.asked, want)
	}
	a = f.call(RoleDeployer, http.MethodPost, "/api/v1/runs/"+run.ID+"/retry", "").expect(t, http.StatusAccepted)
	if got := decodeAs[state.Run](t, a); got.ID == run.ID {
		t.Error("a retry is the run itself")
	}
}

func TestReleasesAreThoseThatWereLiveThen(t *testing.T) {
	f := newFixture(t)
	day := func(d int) time.Time { return time.Date(2026, 1, d, 0, 0, 0, 0, time.UTC) }
	f.update(func(tx *state.Tx) error {
		for i, id := range []string{"f1", "f2"} {
			r := &state.Release{ID: id, Stack: "registry", Commit: commitA, Run: "r", At: day(10 * (i + 1))}
			if err := tx.PutRelease(r, nil); err != nil {
				return err
			}
			if err := tx.WentLive(r); err != nil {
				return err
			}
		}
		return nil
	})
	for query, want := range map[string]string{
		"":               "f2 f1 ",
		"?limit=1":       "f2 ",
		"?stack=website": "",
		"?stack=registry&at=2026-01-15T00:00:00Z": "f1 ",
		"?at=2026-01-25T00:00:00Z":                "f2 ",
		"?at=2026-01-01T00:00:00Z":                "",
	} {
		got := decodeAs[releaseList](t, f.call(RoleViewer, http.MethodGet, "/api/v1/releases"+query, "").expect(t, http.StatusOK))
		var found string
		for _, r := range got.Releases {
			found += r.ID + " "
		}
		if found != want || got.Releases == nil {
			t.Errorf("%q found %q, expected %q", query, found, want)
		}
	}
}

func TestAuditTrailHasWhatWasDoneAndWhatWasRefused(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", `{"reason":"hotfix"}`).expect(t, http.StatusAccepted)
	f.call(RoleDeployer, http.MethodPost, "/api/v1/runs/"+run.ID+"/cancel", "").expect(t, http.StatusAccepted)
	f.control.err = &state.Refusal{Reason: "nothing to go back to"}
	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/rollback", `{"reason":"it is slow"}`).expect(t, http.StatusConflict)
	f.call(RoleViewer, http.MethodPost, "/api/v1/stacks/registry/deploy", "").expect(t, http.StatusForbidden)
	f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK)

	got := decodeAs[auditList](t, f.call(RoleAdmin, http.MethodGet, "/api/v1/audit", "").expect(t, http.StatusOK)).Entries
	if len(got) != 3 {
		t.Fatalf("the trail has %d entries", len(got))
	}
	refused, canceled, deployed := got[0], got[1], got[2]
	if refused.Action != "rollback" || refused.Reason != "it is slow (refused: nothing to go back to)" {
		t.Errorf("refused: %+v", refused)
	}
	if canceled.Action != "cancel" || canceled.Run != run.ID || canceled.Stack != "registry" {
		t.Errorf("canceled: %+v", canceled)
	}
	if deployed.Actor != "the-deployer" || deployed.Role != "deployer" || deployed.Stack != "registry" || deployed.Run == "" ||
		deployed.Reason != "hotfix" || deployed.Remote != "127.0.0.1" {
		t.Errorf("deployed: %+v", deployed)
	}
}
