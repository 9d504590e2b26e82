package server

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"deployer/state"
)

func TestMetricsCountWhatHappened(t *testing.T) {
	f := newFixture(t)
	f.update(func(tx *state.Tx) error {
		return tx.PutStack(&state.Stack{Name: "registry", Lock: &state.Lock{Reason: "x", By: "y"},
			Live:        &state.Release{ID: "f1", Stack: "registry", Commit: commitA, At: time.Unix(1700000000, 0)},
			Quarantined: []state.Quarantine{{Release: "f2"}, {Release: "f3"}}})
	})
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusAccepted)
	f.deliver("infra", push(commitA), nil).expect(t, http.StatusOK)
	f.deliver("infra", push(commitA), func(r *http.Request) { r.Header.Del("X-Hub-Signature-256") }).expect(t, http.StatusUnauthorized)
	f.deliver("other", push(commitA), nil).expect(t, http.StatusNotFound)
	f.call(RoleViewer, http.MethodGet, "/wp-login.php", "").expect(t, http.StatusNotFound)

	run := newRun("registry", state.Trigger{})
	for _, status := range []state.RunStatus{state.RunQueued, state.RunRunning, state.RunSucceeded, state.RunSucceeded} {
		run.Status = status
		f.RunChanged(run)
	}
	f.RunChanged(newRun("website", state.Trigger{}))

	text := f.call(RoleViewer, http.MethodGet, "/metrics", "").expect(t, http.StatusOK).body
	for _, line := range []string{
		`deployer_deliveries_total{result="accepted"} 1`,
		`deployer_deliveries_total{result="ignored"} 1`,
		`deployer_deliveries_total{result="unauthorised"} 1`,
		`deployer_deliveries_total{result="unknown_repository"} 1`,
		`deployer_deliveries_total{result="too_large"} 0`,
		`deployer_runs_finished_total{stack="registry",status="succeeded"} 1`,
		`deployer_runs_active{stack="website",status="queued"} 1`,
		`deployer_stack_locked{stack="registry"} 1`,
		`deployer_stack_locked{stack="website"} 0`,
		`deployer_stack_quarantined_releases{stack="registry"} 2`,
		`deployer_stack_live_since_seconds{stack="registry"} 1.7e+09`,
		`deployer_stack_live_info{commit="` + commitA + `",release="f1",stack="registry"} 1`,
		`deployer_http_request_duration_seconds_count{code="202",method="POST",route="/hooks/:repository"} 1`,
		`deployer_http_request_duration_seconds_count{code="404",method="any",route="other"} 1`,
		`deployer_check_failing{check="disk of registry",stack="registry"} 1`,
		`deployer_check_warning{check="disk of website",stack="website"} 0`,
		`deployer_check_measure{check="disk of website",measure="free_bytes",stack="website"} 1.073741824e+09`,
		`deployer_check_duration_seconds{check="disk of registry",stack="registry"} 0.003`,
		`deployer_check_last_run_timestamp_seconds{check="disk of registry",stack="registry"} 1.7000001e+09`,
		`version="1.2.3"`,
		`go_goroutines`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("the metrics lack %s", line)
		}
	}
	if strings.Contains(text, "wp-login") || strings.Contains(text, `stack="registry",status="running"`) {
		t.Error("the metrics keep what is over, or what anyone can make up")
	}
}

func TestRunsUnderWayAreCountedFromTheStart(t *testing.T) {
	f := newFixture(t)
	run := f.putRun("registry", state.RunRunning)
	again, err := New(f.Options)
	if err != nil {
		t.Fatal(err)
	}
	scrape := func() string {
		w := httptest.NewRecorder()
		again.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		return w.Body.String()
	}
	if line := `deployer_runs_active{stack="registry",status="running"} 1`; !strings.Contains(scrape(), line) {
		t.Errorf("the metrics lack %s", line)
	}
	run.Status = state.RunFailed
	again.RunChanged(run)
	if text := scrape(); strings.Contains(text, "deployer_runs_active{") || !strings.Contains(text, `deployer_runs_finished_total{stack="registry",status="failed"} 1`) {
		t.Error("a run that is over is counted as active")
	}
}

func TestMetricsSayWhetherTheConfigurationInForceIsTheOneThatWasRead(t *testing.T) {
	f := newFixture(t)
	now := time.Unix(1700000000, 0)
	f.Now = func() time.Time { return now }
	expect := func(lines ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		f.MetricsHandler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
		for _, line := range lines {
			if !strings.Contains(w.Body.String(), "\n"+line+"\n") {
				t.Errorf("the metrics lack %s", line)
			}
		}
	}
	f.Reload(f.Access)
	expect("deployer_config_last_reload_successful 1", "deployer_config_last_reload_success_timestamp_seconds 1.7e+09")
	now = now.Add(time.Hour)
	f.ReloadFailed()
	expect("deployer_config_last_reload_successful 0", "deployer_config_last_reload_success_timestamp_seconds 1.7e+09")
}

// growing are stacks beside whose readings the database outgrows its mapping,
// which waits for every reader.
type growing struct {
	fakeStacks
	store *state.Store
	grown chan error
}

func (g growing) Readings(string) []state.Reading {
	done := make(chan error, 1)
	go func() {
		done <- g.store.Update(func(tx *state.Tx) error {
			return tx.PutStack(&state.Stack{Name: "grown", Warning: strings.Repeat("x", 4<<20)})
		})
	}()
	select {
	case err := <-done:
		g.grown <- err
	case <-time.After(10 * time.Second):
		g.grown <- errors.New("it waits for the scrape")
	}
	return nil
}

func TestScrapeHoldsUpNoWriter(t *testing.T) {
	f := newFixture(t)
	stacks := growing{fakeStacks{"registry"}, f.Store, make(chan error, 1)}
	f.Stacks = stacks
	server, err := New(f.Options)
	if err != nil {
		t.Fatal(err)
	}
	server.MetricsHandler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	if err := <-stacks.grown; err != nil {
		t.Errorf("the database cannot be written while readings are asked for: %v", err)
	}
}
