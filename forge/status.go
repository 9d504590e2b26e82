package forge

import (
	"fmt"
	"strings"

	"deployer/state"
)

// statusOf says of a run what its commit is marked with. There is nothing to
// say of a run without a commit, nor of one that is not about a commit.
func statusOf(run *state.Run, page string) (s Status, worth bool) {
	s = Status{Commit: run.Commit, Context: "deployer/" + run.Stack, URL: page}
	switch run.Kind {
	case state.KindDeploy, state.KindRollback:
		s.State, s.Description = outcome(run)
	case state.KindReview:
		s.Context += "/plan"
		if run.Review != nil && run.Review.Head != "" {
			s.Commit = run.Review.Head // the pull request shows the statuses of its head
		}
		s.State, s.Description = planned(run)
	default:
		return s, false
	}
	return s, s.Commit != ""
}

// outcome is the sentence that matters about a deploy or a rollback.
func outcome(run *state.Run) (State, string) {
	switch run.Status {
	case state.RunSucceeded:
		if run.Kind == state.KindRollback {
			return Success, strings.TrimSpace("live again and verified; rolled back by " + or(run.Trigger.Actor, "deployer"))
		}
		return Success, "live and verified"
	case state.RunUnchanged:
		return Success, "unchanged: already runs"
	case state.RunRolledBack:
		return Failure, fmt.Sprintf("rolled back to %s: %s", state.ShortCommit(run.RolledBackTo), reason(run))
	case state.RunRollbackFailed:
		return Failure, "the way back failed too, look at it now: " + reason(run)
	case state.RunFailed:
		if run.Phase == state.PhasePreparing {
			return Failure, "nothing was changed: " + reason(run)
		}
		return Failure, "failed: " + reason(run)
	}
	return standing(run)
}

// leftFor is what is said of a commit that a run has left for its own.
func leftFor(run *state.Run) (State, string) {
	if run.Kind != state.KindRollback {
		return Canceled, "superseded: the run went on to " + state.ShortCommit(run.Commit)
	}
	said := fmt.Sprintf("rolled back by %s to %s", or(run.Trigger.Actor, "deployer"), state.ShortCommit(run.Commit))
	if run.Trigger.Reason != "" {
		said += ": " + run.Trigger.Reason
	}
	return Failure, said
}

// planned is what is said of a review.
func planned(run *state.Run) (State, string) {
	if run.Review != nil && run.Review.Ended == state.EndedDropped { // what was said must not stand in the way of a merge
		return Success, "the pull request does not concern it any more"
	}
	switch run.Status {
	case state.RunSucceeded, state.RunUnchanged:
		return Success, "planned: " + summary(run.Changes)
	case state.RunFailed, state.RunRolledBack, state.RunRollbackFailed:
		return Failure, "cannot be deployed: " + reason(run)
	}
	return standing(run)
}

// standing is what is said of a run that did not get to an end of its own.
func standing(run *state.Run) (State, string) {
	switch run.Status {
	case state.RunSuperseded:
		return Canceled, "superseded by a newer run"
	case state.RunCanceled:
		return Canceled, or(run.Error, "canceled")
	case state.RunWaiting:
		return Pending, waitsFor(run.WaitingFor)
	case state.RunRunning:
		return Pending, "runs"
	}
	return Pending, "queued"
}

func waitsFor(what string) string {
	switch what {
	case "freeze":
		return "waits for the freeze to end"
	case "lock":
		return "waits for the lock to be lifted"
	}
	return "waits for " + or(what, "its turn")
}

// reason is why a run failed: the failed step of the stage that failed, which
// says it in fewer words than the error of the run.
func reason(run *state.Run) string {
	for _, stage := range run.Stages {
		if stage.Status != state.StageFailed || stage.Name == state.StageRollback {
			continue
		}
		for _, step := range stage.Steps {
			if step.Status == state.StepFailed {
				line, _, _ := strings.Cut(step.Message, "\n")
				return strings.TrimSpace(step.Name + ": " + line)
			}
		}
	}
	line, _, _ := strings.Cut(run.Error, "\n")
	return or(line, "see its page")
}

// summary counts what a plan would do.
func summary(changes *state.Changes) string {
	if changes == nil {
		return "changes nothing"
	}
	var parts []string
	for _, action := range []string{"create", "recreate", "remove", "scale"} {
		if n := countOf(changes, action); n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", action, n))
		}
	}
	if len(parts) == 0 {
		return "changes no service"
	}
	return strings.Join(parts, ", ") + " of its services"
}
