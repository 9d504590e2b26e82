package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

func TestStackThatWasNeverDeployed(t *testing.T) {
	f := newFixture(t)
	a := f.call(RoleViewer, http.MethodGet, "/api/v1/stacks/website", "").expect(t, http.StatusOK)
	want := `{"name":"website","environment":"production","live":null,"last_good":null,"head":null,"sync":"never_deployed",` +
		`"health":"healthy","operation":"idle","waiting":null,"lock":null,"pin":null,"quarantined":[],` +
		`"readings":[{"check":"disk of website","status":"failed","message":"1GiB free","hint":"make room","since":"2023-11-14T22:13:20Z",` +
		`"at":"2023-11-14T22:15:00Z","duration_ms":3,"measure":{"name":"free_bytes","value":1073741824}}],"last_run":null}` + "\n"
	if diff := cmp.Diff(want, a.body); diff != "" {
		t.Error(diff)
	}
}

func TestStackShowsItsNewestRun(t *testing.T) {
	f := newFixture(t)
	f.putRun("registry", state.RunSucceeded)
	failed := f.putRun("registry", state.RunFailed, func(r *state.Run) { r.Error, r.Hint = "preflight: env", "set it" })
	for range 12 {
		f.putRun("registry", state.RunSucceeded, func(r *state.Run) { r.Kind = state.KindReview })
	}
	got := decodeAs[stackView](t, f.call(RoleViewer, http.MethodGet, "/api/v1/stacks/registry", "").expect(t, http.StatusOK)).LastRun
	if got == nil || got.ID != failed.ID || got.Status != state.RunFailed || got.Error != "preflight: env" || got.Hint != "set it" {
		t.Errorf("the last run is %+v, want %s", got, failed.ID)
	}
}

func TestStackShowsWhatIsKeptOfIt(t *testing.T) {
	f := newFixture(t)
	at := time.Date(2026, 1, 31, 8, 0, 0, 0, time.UTC)
	f.update(func(tx *state.Tx) error {
		return tx.PutStack(&state.Stack{
			Name:        "registry",
			Live:        &state.Release{ID: "f1", Stack: "registry", Commit: commitA, Run: "r1", At: at},
			Head:        commitB,
			Warning:     "folder apps/registry is no longer on main",
			Lock:        &state.Lock{Reason: "migration", By: "ada", At: at},
			Pin:         &state.Pin{Commit: commitA, By: "ada", At: at},
			Quarantined: []state.Quarantine{{Release: "f2", Commit: commitB, Run: "r2", Why: "verify failed", At: at}},
		})
	})
	running := f.putRun("registry", state.RunRunning)
	waiting := f.putRun("registry", state.RunWaiting, func(r *state.Run) { r.WaitingFor = "lock" })
	f.putRun("website", state.RunQueued)

	got := decodeAs[stackView](t, f.call(RoleViewer, http.MethodGet, "/api/v1/stacks/registry", "").expect(t, http.StatusOK))
	if got.Live == nil || got.Live.Commit != commitA || got.Live.Images == nil || *got.Head != commitB {
		t.Errorf("live %+v, head %v", got.Live, got.Head)
	}
	if got.Warning != "folder apps/registry is no longer on main" {
		t.Errorf("warning %q", got.Warning)
	}
	if got.Sync != state.SyncPinned || got.Lock.By != "ada" || len(got.Quarantined) != 1 {
		t.Errorf("sync %s, lock %+v, quarantined %+v", got.Sync, got.Lock, got.Quarantined)
	}
	if got.Operation != operationRunning || got.Waiting == nil || *got.Waiting != (waitingView{"lock", waiting.ID}) {
		t.Errorf("operation %s with %s running, waiting %+v", got.Operation, running.ID, got.Waiting)
	}
	all := decodeAs[stackList](t, f.call(RoleViewer, http.MethodGet, "/api/v1/stacks", "").expect(t, http.StatusOK))
	if len(all.Stacks) != 2 || all.Stacks[1].Operation != operationWaiting || all.Stacks[1].Waiting.For != "slot" {
		t.Errorf("stacks %+v", all.Stacks)
	}
}

func TestWhatAPersonAsksForReachesControl(t *testing.T) {
	by := "{Kind:api Actor:the-deployer Delivery: Reason:because}"
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/deploy", `{"reason":"because"}`, 202, "deploy registry " + by + " {Commit: Environment: Release: Backup: Service: Force:[] Pin:false}"},
		{"POST", "/deploy", `{"commit":"ABCDEF1","environment":"dev","force":["lock","freeze"],"reason":"because"}`, 202,
			"deploy registry " + by + " {Commit:abcdef1 Environment:dev Release: Backup: Service: Force:[lock freeze] Pin:false}"},
		{"POST", "/rollback", `{"to":"abc123","pin":true,"reason":"because"}`, 202,
			"rollback registry " + by + " {Commit: Environment: Release:abc123 Backup: Service: Force:[] Pin:true}"},
		{"POST", "/plan", `{"commit":"abc123"}`, 200, "plan registry abc123"},
		{"POST", "/plan", ``, 200, "plan registry "},
		{"PUT", "/lock", `{"reason":"because"}`, 200, "lock registry " + by},
		{"DELETE", "/lock", `{"reason":"because"}`, 200, "unlock registry " + by},
		{"DELETE", "/pin", `{"reason":"because"}`, 200, "unpin registry " + by},
		{"DELETE", "/quarantine/sha256:ab", `{"reason":"because"}`, 200, "release registry sha256:ab " + by},
		{"DELETE", "/quarantine/sha256%3Aab", `{"reason":"because"}`, 200, "release registry sha256:ab " + by},
	} {
		t.Run(tc.method+" "+tc.path, func(t *testing.T) {
			f := newFixture(t)
			f.call(RoleDeployer, tc.method, "/api/v1/stacks/registry"+tc.path, tc.body).expect(t, tc.status)
			if f.control.asked != tc.want {
				t.Errorf("asked for %s, expected %s", f.control.asked, tc.want)
			}
		})
	}
}

func TestNewRunsAreNamed(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{"/api/v1/stacks/registry/deploy", "/api/v1/stacks/registry/rollback"} {
		a := f.call(RoleDeployer, http.MethodPost, path, "").expect(t, http.StatusAccepted)
		run := decodeAs[state.Run](t, a)
		if run.ID == "" || a.Header.Get("Location") != "/api/v1/runs/"+run.ID {
			t.Errorf("run %s at %s", run.ID, a.Header.Get("Location"))
		}
		f.call(RoleViewer, http.MethodGet, a.Header.Get("Location"), "").expect(t, http.StatusOK)
	}
}

func TestCallsOfTheCommandLineAreMarked(t *testing.T) {
	f := newFixture(t)
	req := f.request(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", "")
	req.Header.Set("X-Deployer-Client", "cli")
	if run := decodeAs[state.Run](t, f.do(req)); run.Trigger.Kind != state.TriggerCLI {
		t.Errorf("the trigger is %+v", run.Trigger)
	}
}

func TestLockShowsTheStackAsItThenIs(t *testing.T) {
	f := newFixture(t)
	a := f.call(RoleDeployer, http.MethodPut, "/api/v1/stacks/registry/lock", `{"reason":"migration"}`).expect(t, http.StatusOK)
	if got := decodeAs[stackView](t, a); got.Lock == nil || got.Lock.Reason != "migration" || got.Lock.By != "the-deployer" {
		t.Errorf("answered %s", a.body)
	}
}

func TestBadBodiesNeverReachControl(t *testing.T) {
	for _, tc := range []struct{ method, path, body, says string }{
		{"POST", "/deploy", `{"comit":"abc"}`, "comit"},
		{"POST", "/deploy", `{"commit":7}`, "commit"},
		{"POST", "/deploy", `{"commit":"main; rm -rf /"}`, "commit"},
		{"POST", "/deploy", `{"environment":"../prod"}`, "environment"},
		{"POST", "/deploy", `{"force":["everything"]}`, "everything"},
		{"POST", "/deploy", `{"reason":"two\nlines"}`, "reason"},
		{"POST", "/deploy", `{"reason":"` + strings.Repeat("x", 501) + `"}`, "reason"},
		{"POST", "/deploy", `{} {}`, "goes on"},
		{"POST", "/deploy", `commit=abc`, "cannot be read"},
		{"POST", "/deploy", `{"force":"lock"}`, "force does not take a JSON string"},
		{"POST", "/deploy", `[]`, "it is a JSON array, not an object"},
		{"POST", "/rollback", `{"to":"a b"}`, "to is neither"},
		{"POST", "/plan", `{"commit":"xyz"}`, "commit"},
		{"PUT", "/lock", `{}`, "reason"},
		{"PUT", "/lock", ``, "reason"},
		{"PUT", "/lock", `{"reason":"  "}`, "reason"},
	} {
		t.Run(tc.path+" "+tc.body[:min(len(tc.body), 30)], func(t *testing.T) {
			f := newFixture(t)
			p := f.call(RoleDeployer, tc.method, "/api/v1/stacks/registry"+tc.path, tc.body).expect(t, http.StatusBadRequest).problem(t)
			if !strings.Contains(p.Detail, tc.says) {
				t.Errorf("the detail is %q, expected something about %q", p.Detail, tc.says)
			}
			if f.control.asked != "" {
				t.Errorf("control was asked to %s", f.control.asked)
			}
		})
	}
	f := newFixture(t)
	f.call(RoleDeployer, http.MethodPost, "/api/v1/stacks/registry/deploy", `{"reason":"`+strings.Repeat("x", maxJSON)+`"}`).
		expect(t, http.StatusRequestEntityTooLarge)
}

func TestUnknownStacksAndRunsAreNotFound(t *testing.T) {
	f := newFixture(t)
	for _, path := range []string{
		"GET /api/v1/stacks/other", "POST /api/v1/stacks/other/deploy", "POST /api/v1/stacks/other/rollback",
		"POST /api/v1/stacks/other/plan", "PUT /api/v1/stacks/other/lock", "DELETE /api/v1/stacks/other/pin",
		"GET /api/v1/stacks/%00", "GET /api/v1/runs/none", "GET /api/v1/runs/none/log", "POST /api/v1/runs/none/cancel",
		"POST /api/v1/runs/none/retry", "GET /api/v1/runs/", "GET /api/v1/runs/%00",
	} {
		method, path, _ := strings.Cut(path, " ")
		f.call(RoleAdmin, method, path, `{"reason":"x"}`).expect(t, http.StatusNotFound)
	}
	if f.control.asked != "" {
		t.Errorf("control was asked to %s", f.control.asked)
	}
}
