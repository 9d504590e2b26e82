package notify

import (
	"fmt"
	"slices"
	"strings"

	"deployer/state"
)

// Message is what people are told of a run that has, or had, a status. Not
// everything is worth a message: what changed nothing and failed nothing is
// not, nor what is no longer so.
func Message(run *state.Run, status state.RunStatus, page string) (title, text string, worth bool) {
	if run.Status != status {
		return "", "", false // an approval that was given meanwhile
	}
	title, worth = headline(run)
	if !worth {
		return "", "", false
	}
	var lines []string
	add := func(prefix, line string) {
		if line != "" {
			lines = append(lines, prefix+line)
		}
	}
	if run.Kind == state.KindDeploy {
		add("", commitLine(run))
	}
	if status != state.RunSucceeded {
		add("", run.Error)
		if run.Kind == state.KindMonitor {
			add("", evidence(run))
		}
		add("What to do: ", run.Hint)
	}
	if page != "" {
		add("", strings.TrimRight(page, "/")+"/runs/"+run.ID)
	}
	return run.Stack + ": " + title, strings.Join(lines, "\n"), true
}

// headline says in one line what happened.
func headline(run *state.Run) (title string, worth bool) {
	what := fmt.Sprintf("%s of %s", run.Kind, state.ShortCommit(run.Commit))
	if run.Commit == "" {
		what = string(run.Kind)
	}
	switch {
	case run.Kind == state.KindReview, // the forge tells who proposes it
		run.Repeats != "": // the first of them was told
		return "", false
	case run.Kind == state.KindMonitor:
		return run.Trigger.Reason, true
	case run.Status == state.RunWaiting && run.WaitingFor == state.WaitApproval:
		return state.ShortCommit(run.Commit) + " waits for approval", true
	case run.Status == state.RunRolledBack:
		return fmt.Sprintf("%s failed; %s runs again and was verified", what, state.ShortCommit(run.RolledBackTo)), true
	case run.Status == state.RunRollbackFailed:
		return what + " failed, and so did the way back: look at it now; the stack is locked", true
	case run.Status == state.RunFailed && run.Phase == state.PhasePreparing:
		return what + " failed; nothing was changed", true
	case run.Status == state.RunFailed:
		return what + " failed; what it left runs", true
	case run.Status == state.RunSucceeded && run.Kind == state.KindDeploy:
		return state.ShortCommit(run.Commit) + " is live and was verified", true
	case run.Status == state.RunSucceeded && run.Kind == state.KindRollback:
		return fmt.Sprintf("rolled back to %s by %s", state.ShortCommit(run.Commit), run.Trigger.Actor), true
	}
	return "", false
}

func commitLine(run *state.Run) string {
	if run.Subject == "" || run.Author == "" {
		return run.Subject
	}
	return fmt.Sprintf("%s (%s)", run.Subject, run.Author)
}

// maxEvidence is what a message has of what failed, in bytes: chats cut what is
// longer, and the run has all of it.
const maxEvidence = 1500

// evidence is what the failed steps of a run say below their first line, which
// is in its error: the beginning and the end of it where it is long.
func evidence(run *state.Run) string {
	var parts []string
	for _, stage := range run.Stages {
		for _, step := range stage.Steps {
			_, rest, more := strings.Cut(step.Message, "\n")
			if step.Status == state.StepFailed && more {
				parts = append(parts, step.Name+": "+rest)
			}
		}
	}
	for i, part := range parts {
		parts[i] = shortened(part, maxEvidence/len(parts))
	}
	return strings.Join(parts, "\n")
}

// shortened leaves lines out after the first two, until the text fits.
func shortened(text string, limit int) string {
	lines := strings.Split(text, "\n")
	cut := false
	for size := len(text); size > limit && len(lines) > 3; cut = true {
		size -= len(lines[2]) + 1
		lines = slices.Delete(lines, 2, 3)
	}
	if cut {
		lines = slices.Insert(lines, 2, "…")
	}
	return strings.Join(lines, "\n")
}
