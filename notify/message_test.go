package notify

import (
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
