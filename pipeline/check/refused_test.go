package check

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/pipeline/check/traefik"
	"deployer/project"
	"deployer/state"
)

func TestWhenTheCARefusesForGood(t *testing.T) {
	dns := failureLine(0, "a.example.org", "dns")
	for name, tt := range map[string]struct {
		log  string
		want bool
	}{
		"nothing":                {"", false},
		"some failures":          {strings.Repeat(dns, enough-1), false},
		"as many as are allowed": {strings.Repeat(dns, enough), true},
		"of another host":        {strings.Repeat(failureLine(0, "b.example.org", "dns"), enough), false},
		"the rate limit":         {failureLine(0, "a.example.org", "rateLimited"), true},
		"a CAA record":           {failureLine(0, "a.example.org", "caa"), true},
		"a moment's trouble":     {failureLine(0, "a.example.org", "badNonce"), false},
		"issued since":           {failureLine(0, "a.example.org", "rateLimited") + acmeIssued, false},
	} {
		if got := refusedFor(traefik.ReadLog(tt.log), "a.example.org"); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Waiting for what will not come is downtime.
func TestWithinEndsWhereTheCARefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := failureLine(0, "a.example.org", "dns")
		w := storing(`{"le": {"Account": null, "Certificates": null}}`, 0o600, nil)
		w.Project = projectOf(types.ServiceConfig{Name: "traefik"})
		engine := w.Engine.(*fakeEngine)
		engine.containers = func() ([]project.Container, error) { return []project.Container{running("traefik")}, nil }
		engine.written = func(string) string { log += failureLine(0, "a.example.org", "dns"); return log }
		source := "{check: acme, hosts: a.example.org, within: 2m}"
		started := time.Now()
		want(t, run(t, source, w), state.StepFailed, "no certificate for a.example.org is stored (attempt ")
		if took := time.Since(started); took != 2*time.Minute {
			t.Errorf("without a deploy it gave up after %s", took)
		}
		w.Since, log = started, ""
		started = time.Now()
		want(t, run(t, source, w), state.StepFailed, "no certificate for a.example.org is stored (attempt 5,")
		if took := time.Since(started); took > 5*time.Second {
			t.Errorf("gave up after %s", took)
		}
	})
}
