package forge

import (
	"testing"

	"deployer/state"
)

func TestTheSentenceThatMatters(t *testing.T) {
	failed := []state.StageResult{
		{Name: state.StageVerify, Status: state.StageFailed, Steps: []state.Step{
			{Name: "containers", Status: state.StepPassed, Message: "all run"},
			{Name: "https", Status: state.StepFailed, Message: "answered 502\nand a page of text"},
		}},
		{Name: state.StageRollback, Status: state.StagePassed, Steps: []state.Step{}},
	}
	for _, row := range []struct {
		run   state.Run
		state State
		want  string
	}{
		{state.Run{Status: state.RunQueued}, Pending, "queued"},
		{state.Run{Status: state.RunRunning}, Pending, "runs"},
		{state.Run{Status: state.RunWaiting, WaitingFor: "approval"}, Pending, "waits for approval"},
		{state.Run{Status: state.RunWaiting, WaitingFor: "freeze"}, Pending, "waits for the freeze to end"},
		{state.Run{Status: state.RunSucceeded}, Success, "live and verified"},
		{state.Run{Status: state.RunUnchanged}, Success, "unchanged: already runs"},
		{state.Run{Status: state.RunRolledBack, RolledBackTo: "1a2b3c4d5e", Stages: failed}, Failure, "rolled back to 1a2b3c4: https: answered 502"},
		{state.Run{Status: state.RunRollbackFailed, Stages: failed}, Failure, "the way back failed too, look at it now: https: answered 502"},
		{state.Run{Status: state.RunFailed, Error: "fetch: no answer"}, Failure, "nothing was changed: fetch: no answer"},
		{state.Run{Status: state.RunFailed, Phase: state.PhaseChanging, Error: "deploy: no room"}, Failure, "failed: deploy: no room"},
		{state.Run{Status: state.RunSuperseded}, Canceled, "superseded by a newer run"},
		{state.Run{Status: state.RunCanceled, Error: "rejected by ada: not on a Friday"}, Canceled, "rejected by ada: not on a Friday"},
		{state.Run{Kind: state.KindRollback, Status: state.RunSucceeded, Trigger: state.Trigger{Actor: "ada"}}, Success, "live again and verified; rolled back by ada"},
		{state.Run{Kind: state.KindReview, Status: state.RunFailed, Error: "compose: no such service"}, Failure, "cannot be deployed: compose: no such service"},
		{state.Run{Kind: state.KindReview, Status: state.RunSucceeded}, Success, "planned: changes nothing"},
		{state.Run{Kind: state.KindReview, Status: state.RunFailed, Review: &state.Review{Ended: state.EndedDropped}}, Success, "the pull request does not concern it any more"},
	} {
		run := row.run
		run.Stack, run.Commit = "shop", "1"
		if run.Kind == "" {
			run.Kind = state.KindDeploy
		}
		s, worth := statusOf(&run, "")
		if !worth || s.State != row.state || s.Description != row.want {
			t.Errorf("%s %s: %s %q, want %s %q", run.Kind, run.Status, s.State, s.Description, row.state, row.want)
		}
	}
	for _, kind := range []state.RunKind{state.KindBackup, state.KindRestore, state.KindMonitor} {
		if _, worth := statusOf(&state.Run{Kind: kind, Commit: "1", Status: state.RunSucceeded}, ""); worth {
			t.Errorf("a %s marks a commit", kind)
		}
	}
	if _, worth := statusOf(&state.Run{Kind: state.KindDeploy, Status: state.RunQueued}, ""); worth {
		t.Error("a run that knows no commit yet marks one")
	}
}
