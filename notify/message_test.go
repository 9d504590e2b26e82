package notify

import (
	"fmt"
	"strings"
	"testing"

	"deployer/state"
)

func TestMessages(t *testing.T) {
	with := func(change func(*state.Run)) *state.Run {
		r := failedRun("r")
		change(r)
		return r
	}
	for _, tt := range []struct {
		name string
		run  *state.Run
		want string // of the title; empty: none
	}{
		{"bad push", with(func(*state.Run) {}), "shop: deploy of 1a2b3c4 failed; 9f8e7d6 runs again and was verified"},
		{"good push", with(func(r *state.Run) { r.Status = state.RunSucceeded }), "shop: 1a2b3c4 is live and was verified"},
		{"refused", with(func(r *state.Run) { r.Status = state.RunFailed }), "shop: deploy of 1a2b3c4 failed; nothing was changed"},
		{"first that fails", with(func(r *state.Run) { r.Status, r.Phase = state.RunFailed, state.PhaseRollingBack }), "shop: deploy of 1a2b3c4 failed; what it left runs"},
		{"worst", with(func(r *state.Run) { r.Status = state.RunRollbackFailed }), "shop: deploy of 1a2b3c4 failed, and so did the way back: look at it now; the stack is locked"},
		{"approval", with(func(r *state.Run) { r.Status, r.WaitingFor = state.RunWaiting, "approval" }), "shop: 1a2b3c4 waits for approval"},
		{"lock", with(func(r *state.Run) { r.Status, r.WaitingFor = state.RunWaiting, "lock" }), ""},
		{"monitor", with(func(r *state.Run) {
			r.Kind, r.Status, r.Trigger.Reason = state.KindMonitor, state.RunFailed, "disk: failed, was passed"
		}), "shop: disk: failed, was passed"},
		{"rollback by a person", with(func(r *state.Run) {
			r.Kind, r.Status, r.Trigger.Actor = state.KindRollback, state.RunSucceeded, "ada"
		}), "shop: rolled back to 1a2b3c4 by ada"},
		{"the same by poll", with(func(r *state.Run) { r.Status, r.Repeats = state.RunFailed, "before" }), ""},
		{"superseded", with(func(r *state.Run) { r.Status = state.RunSuperseded }), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			title, text, worth := Message(tt.run, tt.run.Status, "")
			if title != tt.want || worth != (tt.want != "") {
				t.Errorf("got %q, want %q", title, tt.want)
			}
			if worth && tt.run.Status != state.RunSucceeded && !strings.Contains(text, "What to do: ") {
				t.Errorf("%q does not say what to do", text)
			}
		})
	}
	if _, _, worth := Message(with(func(*state.Run) {}), state.RunWaiting, ""); worth {
		t.Error("an approval that was given meanwhile is asked for")
	}
}

// Who is called at night reads what happened without a computer.
func TestMessageOfTheMonitorHasTheEvidence(t *testing.T) {
	lines := make([]string, 30)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %02d %s", i, strings.Repeat("x", 90))
	}
	run := &state.Run{
		ID: "r", Stack: "shop", Kind: state.KindMonitor, Status: state.RunFailed, Error: "web: exited with code 1", Hint: "read its log",
		Trigger: state.Trigger{Kind: state.TriggerEngine, Reason: "web exited with code 1"},
		Stages: []state.StageResult{{Steps: []state.Step{
			{Name: "web", Status: state.StepFailed, Message: "exited with code 1\nlive is 1a2b3c4 fix\nits last lines:\n" + strings.Join(lines, "\n")},
			{Name: "db", Status: state.StepPassed, Message: "is well again\nand nobody needs to know more"},
		}}},
	}
	title, text, _ := Message(run, run.Status, "https://deploy.example.com")
	if title != "shop: web exited with code 1" {
		t.Errorf("title %q", title)
	}
	for _, part := range []string{"web: live is 1a2b3c4 fix", "its last lines:\n…\n", "line 29", "What to do: read its log", "/runs/r"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
	if len(text) > maxEvidence+300 || strings.Contains(text, "line 00") || strings.Contains(text, "nobody needs") {
		t.Errorf("%d bytes:\n%s", len(text), text)
	}
}
