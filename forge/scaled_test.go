package forge

import (
	"testing"

	"deployer/state"
)

// A service that is kept and gets more containers is something that happens.
func TestScaledServicesAreCounted(t *testing.T) {
	changes := &state.Changes{Services: []state.ServiceChange{
		{Name: "web", Action: state.ActionKeep, Why: "replicas 2 → 3"},
		{Name: "db", Action: state.ActionKeep},
	}}
	if got := actions(changes); got != "scale 1 service" {
		t.Errorf("the comment says %q", got)
	}
	if got := summary(changes); got != "scale 1 of its services" {
		t.Errorf("the status says %q", got)
	}
	changes.Services[1].Action = state.ActionRecreate
	if got := actions(changes); got != "recreate 1 service and scale 1" {
		t.Errorf("the comment says %q", got)
	}
}
