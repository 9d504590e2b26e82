package e2e

import (
	"testing"

	"deployer/internal/producttest"
	"deployer/state"
)

// The first push to an empty server: the certificate is rehearsed, issued and
// looked at, and the registry takes a push and a pull.
func TestRegistryIsPromotedToProduction(t *testing.T) {
	t.Parallel()
	s := newRegistryStack(t)
	run := s.push("production")
	producttest.MustEnd(t, run, state.RunSucceeded)
	for _, stage := range run.Stages {
		for _, step := range stage.Steps {
			t.Logf("%s · %s: %s (%d ms) %s", stage.Name, step.Name, step.Status, step.DurationMS, step.Message)
		}
	}
}
