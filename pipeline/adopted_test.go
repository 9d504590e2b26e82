package pipeline

import (
	"strings"
	"testing"

	"deployer/project"
	"deployer/state"
)

func TestWhatWasStartedByHandIsNotTakenOverByAPush(t *testing.T) {
	foreign := &state.Changes{Services: []state.ServiceChange{
		{Name: "db", Action: state.ActionKeep},
		{Name: "old", Action: state.ActionRemove, Why: project.NotOurs + "not in the compose files"},
		{Name: "web", Action: state.ActionRecreate, Why: project.NotOurs + "environment: MODE"},
	}}
	kept := &state.Changes{Services: []state.ServiceChange{{Name: "db", Action: state.ActionKeep}, {Name: "web", Action: state.ActionRecreate, Why: "image"}}}
	for _, row := range []struct {
		what    string
		by      state.TriggerKind
		live    *state.Release
		phase   state.Phase
		changes *state.Changes
		refused bool
	}{
		{"a push", state.TriggerWebhook, nil, state.PhasePreparing, foreign, true},
		{"a poll", state.TriggerPoll, nil, state.PhasePreparing, foreign, true},
		{"a person", state.TriggerCLI, nil, state.PhasePreparing, foreign, false},
		{"adopted", state.TriggerWebhook, &state.Release{ID: "1"}, state.PhasePreparing, foreign, false},
		{"on its way", state.TriggerWebhook, nil, state.PhaseChanging, foreign, false},
		{"its own containers", state.TriggerWebhook, nil, state.PhasePreparing, kept, false},
	} {
		x := &Execution{
			Stack: &Stack{Name: "shop", Project: "store"}, Known: &state.Stack{Live: row.live},
			Run: &state.Run{Trigger: state.Trigger{Kind: row.by}, Phase: row.phase},
		}
		err := x.checkAdopted(row.changes)
		if (err != nil) != row.refused {
			t.Errorf("%s: %v", row.what, err)
		}
		if err == nil {
			continue
		}
		text := err.Error() + "\n" + Hint(err)
		for _, says := range []string{"project store runs already", "remove old (not in the compose files)", "recreate web (environment: MODE)", "`deployer adopt shop`"} {
			if !strings.Contains(text, says) {
				t.Errorf("%q is not said in %s", says, text)
			}
		}
	}
}
