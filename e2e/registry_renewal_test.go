package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/producttest"
	"deployer/state"
)

// A certificate that is soon over is renewed by Traefik, and the monitor says
// so: it alarms before, and is content after.
func TestRegistryCertificateIsRenewed(t *testing.T) {
	t.Parallel()
	s := newRegistryStackOf(t, 5*time.Hour)
	// Traefik renews what has less than six hours left, when it starts and now and then.
	s.edit("server/Traefik/traefik.yml", "tlsChallenge: {}", "tlsChallenge: {}\n      certificatesDuration: 24")
	s.edit("pipeline.yaml", "min_days: 14", "min_days: 0", "every: 15m", "every: 1s")
	run := s.push("production")
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, before, err := s.ask()
	if err != nil {
		t.Fatal(err)
	}

	if err := s.Engine.ContainerRestart(t.Context(), s.Containers()["traefik"], container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	s.Eventually(time.Minute, "Traefik presents another certificate", func() bool {
		_, now, err := s.ask()
		return err == nil && !now.Equal(before)
	})
	_, after, err := s.ask()
	if err != nil || !after.NotAfter.After(before.NotAfter) {
		t.Fatalf("renewed until %s, was %s, %v", after.NotAfter, before.NotAfter, err)
	}
	s.Eventually(time.Minute, "the monitor reads the new certificate in the storage", func() bool {
		for _, r := range s.readings() {
			if r.Check == fmt.Sprintf("acme traefik %s", s.host) {
				until := r.At.Add(time.Duration(r.Measure.Value * 24 * float64(time.Hour)))
				return r.Status == "passed" && until.Sub(after.NotAfter).Abs() < until.Sub(before.NotAfter).Abs()
			}
		}
		return false
	})
}
