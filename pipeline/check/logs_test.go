package check

import (
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

const (
	acmeFailed = `2026-05-06T16:54:10Z ERR Unable to obtain ACME certificate for domains error="unable to generate a certificate for the domains [a.example.org]: error: one or more domains had a problem:\n[a.example.org] invalid authorization: acme: error: 400 :: urn:ietf:params:acme:error:dns :: DNS problem: NXDOMAIN looking up A for a.example.org\n" domains=["a.example.org"] providerName=le.acme routerName=registry@docker` + "\n"
	acmeIssued = `2026-05-06T16:55:10Z DBG Certificates obtained for domains [a.example.org] providerName=le.acme` + "\n"
)

func TestLogs(t *testing.T) {
	for _, tt := range []struct {
		name, log, fields string
		status            state.StepStatus
		parts             []string
	}{
		{"quiet", "started\nlistens\n", "not: [panic, '(?i)error']", state.StepPassed, []string{"nothing of the kind in 2 lines of traefik since the deploy"}},
		{"a pattern", "started\npanic: nil map\x1b[0m\n", "not: [panic, nil]", state.StepFailed, []string{"1 lines that should not be there since the deploy\ntraefik | panic: nil map", "`not`"}},
		{"many lines", strings.Repeat("panic\n", 30), "not: panic", state.StepFailed, []string{"30 lines"}},
		{"an ACME failure", acmeFailed + acmeFailed, "", state.StepFailed,
			[]string{"1 lines that should not be there since the deploy: a.example.org: the CA did not find the name in DNS\ntraefik | Unable to obtain ACME", "make an A record"}},
		{"an ACME failure that passed", acmeFailed + acmeIssued, "", state.StepPassed, nil},
		{"an ACME failure that nobody asked for", acmeFailed, "acme: false, not: panic", state.StepPassed, nil},
		{"another service", "panic\n", "not: panic, services: web", state.StepFailed, []string{"there is no container whose log"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := &World{Project: projectOf(types.ServiceConfig{Name: "traefik"}), Since: time.Now().Add(-time.Minute), Engine: &fakeEngine{
				logs: tt.log, containers: func() ([]project.Container, error) { return []project.Container{running("traefik")}, nil }}}
			r := run(t, strings.TrimSuffix("{check: logs, "+tt.fields, ", ")+"}", w)
			want(t, r, tt.status, tt.parts...)
			if strings.Count(r.Message, "\n") > logShown {
				t.Errorf("%d lines of evidence", strings.Count(r.Message, "\n"))
			}
		})
	}
}

func TestLogsLookBackAsFarAsTheyAreTold(t *testing.T) {
	now := time.Date(2026, 5, 6, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		fields string
		deploy time.Time
		since  time.Time
	}{
		{"not: panic", now.Add(-time.Minute), now.Add(-time.Minute)},
		{"not: panic, since: deploy", now.Add(-time.Minute), now.Add(-time.Minute)},
		{"not: panic, since: 15m", now.Add(-time.Minute), now.Add(-15 * time.Minute)},
		{"not: panic, since: 15m", time.Time{}, now.Add(-15 * time.Minute)},
	} {
		engine := &fakeEngine{containers: func() ([]project.Container, error) { return []project.Container{running("web")}, nil }}
		w := &World{Project: projectOf(), Since: tt.deploy, Engine: engine, Now: func() time.Time { return now }}
		want(t, run(t, "{check: logs, "+tt.fields+"}", w), state.StepPassed)
		if !engine.since.Equal(tt.since) {
			t.Errorf("%s: looked back to %s", tt.fields, engine.since)
		}
	}
	want(t, run(t, "{check: logs, not: panic}", &World{Project: projectOf(), Engine: &fakeEngine{}}), state.StepSkipped, "nothing was deployed now")
}
