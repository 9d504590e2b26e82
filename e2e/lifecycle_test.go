package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"deployer/internal/producttest"
	"deployer/state"
)

// started is when the container of a service was started last.
func (s dataStack) started(service string) string {
	s.t.Helper()
	full, err := s.Engine.ContainerInspect(s.t.Context(), s.Containers()[service])
	if err != nil {
		s.t.Fatal(err)
	}
	return full.State.StartedAt
}

func TestServiceIsRestartedAndTheStackRemoved(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	if status, answer := s.ask("deployer", http.MethodPost, "/restart", nil); status != http.StatusConflict {
		t.Errorf("restart before the first deploy: %d %s", status, answer)
	}
	commit, run := s.Push("one", s.commit("one", `"data:/data"`, "", "volumes: {data: {}}\n"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if err := os.WriteFile(s.hostPath("/data")+"/file", []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	before, at := s.Containers()["web"], s.started("web")
	if out, code := s.CLI("restart", s.Stack, "web", "--reason", "stuck"); code != 0 {
		t.Fatalf("restart: exit %d\n%s", code, out)
	}
	restarted := s.History()[0]
	producttest.MustEnd(t, restarted, state.RunSucceeded)
	if restarted.Kind != state.KindRestart || s.Containers()["web"] != before || s.started("web") == at {
		t.Errorf("%s: container %s started at %s, was %s at %s", restarted.Kind, s.Containers()["web"], s.started("web"), before, at)
	}
	if out, code := s.CLI("restart", s.Stack, "nothing"); code == 0 || !strings.Contains(out, "has no service nothing") {
		t.Errorf("restart of no service: exit %d %s", code, out)
	}

	if out, code := s.CLI("remove", s.Stack); code != 2 || !strings.Contains(out, "nothing was done") {
		t.Errorf("remove without --yes: exit %d %s", code, out)
	}
	volume := s.hostPath("/data")
	if out, code := s.CLI("remove", s.Stack, "--yes"); code != 0 {
		t.Fatalf("remove: exit %d\n%s", code, out)
	}
	if now := s.Now(); now.Sync != string(state.SyncNeverDeployed) || now.Live != nil || len(s.Containers()) > 0 {
		t.Errorf("removed: %+v %v", now, s.Containers())
	}
	if got, err := os.ReadFile(volume + "/file"); err != nil || string(got) != "precious" {
		t.Errorf("the volume has %q, %v", got, err)
	}
	if history := s.History(); len(history) != 3 || history[0].Kind != state.KindRemove {
		t.Errorf("history: %d runs", len(history))
	}
	if status, answer := s.ask("deployer", http.MethodPost, "/remove", nil); status != http.StatusForbidden {
		t.Errorf("remove by a deployer: %d %s", status, answer)
	}
	status, answer := s.ask("deployer", http.MethodPost, "/deploy", map[string]string{"commit": commit})
	producttest.MustEnd(t, s.Wait(s.mustRun(status, answer).ID), state.RunSucceeded)
	if got := s.sees("/data/file"); got != "200 precious" {
		t.Errorf("deployed again it sees %q", got)
	}
}
