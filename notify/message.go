package notify

import (
	"fmt"
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
