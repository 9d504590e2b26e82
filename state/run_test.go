package state_test

import (
	"slices"
	"strings"
	"testing"

	"deployer/state"
)

var everyStatus = []state.RunStatus{
	state.RunQueued, state.RunWaiting, state.RunRunning, state.RunSucceeded, state.RunFailed, state.RunRolledBack,
	state.RunRollbackFailed, state.RunSuperseded, state.RunCanceled, state.RunUnchanged,
}

var terminal = []state.RunStatus{
	state.RunSucceeded, state.RunFailed, state.RunRolledBack, state.RunRollbackFailed,
	state.RunSuperseded, state.RunCanceled, state.RunUnchanged,
}

func TestARunThatIsOverBecomesNothingElse(t *testing.T) {
	for _, from := range everyStatus {
		if got, want := from.Terminal(), slices.Contains(terminal, from); got != want {
			t.Errorf("%s: terminal %t, want %t", from, got, want)
		}
		for _, to := range everyStatus {
			if from.Terminal() && from.CanBecome(to) {
				t.Errorf("%s is over and can become %s", from, to)
			}
		}
	}
	if state.RunStatus("").Terminal() {
		t.Error("a run without a status is over")
	}
}

// next is the life of a run, written down once more: a change of the table
// has to be meant.
var next = map[state.RunStatus][]state.RunStatus{
	state.RunQueued:  {state.RunWaiting, state.RunRunning, state.RunSuperseded, state.RunCanceled, state.RunFailed},
	state.RunWaiting: {state.RunQueued, state.RunRunning, state.RunSuperseded, state.RunCanceled, state.RunFailed},
	state.RunRunning: slices.Concat([]state.RunStatus{state.RunQueued, state.RunWaiting}, terminal),
}

func TestPutRunKeepsToTheTransitions(t *testing.T) {
	s := openStore(t)
	for _, from := range everyStatus {
		for _, to := range everyStatus {
			run := newRun("shop")
			run.Status = from
			putRun(t, s, run)
			run.Status = to
			err := s.Update(func(tx *state.Tx) error { return tx.PutRun(run) })
			allowed := from == to || slices.Contains(next[from], to)
			if allowed != (err == nil) {
				t.Errorf("%s → %s: %v, want allowed %t", from, to, err, allowed)
			}
			if err != nil && (!strings.Contains(err.Error(), string(from)) || !strings.Contains(err.Error(), string(to))) {
				t.Errorf("%s → %s: %q does not name both", from, to, err)
			}
			want := from
			if allowed {
				want = to
			}
			if got := read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(run.ID) }); got.Status != want {
				t.Errorf("%s → %s: %s is kept, want %s", from, to, got.Status, want)
			}
		}
	}
}

func TestActiveRunsAreThoseNotOverOldestFirst(t *testing.T) {
	s := openStore(t)
	var want []string
	for _, status := range slices.Concat(everyStatus, everyStatus) {
		run := newRun("shop")
		run.Status = status
		putRun(t, s, run)
		if !status.Terminal() {
			want = append(want, run.ID)
		}
	}
	if got := idsOf(read(t, s, (*state.Tx).ActiveRuns)); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}

	update(t, s, func(tx *state.Tx) error {
		run, err := tx.Run(want[0])
		if err != nil {
			return err
		}
		run.Status = state.RunCanceled
		return tx.PutRun(run)
	})
	if got := idsOf(read(t, s, (*state.Tx).ActiveRuns)); !slices.Equal(got, want[1:]) {
		t.Errorf("after the first was canceled: %v, want %v", got, want[1:])
	}
}

func TestStageIsFoundByNameAndCanBeChanged(t *testing.T) {
	run := &state.Run{Stages: []state.StageResult{{Name: state.StageFetch}, {Name: state.StageDeploy}}}
	run.Stage(state.StageDeploy).Status = state.StagePassed
	if run.Stages[1].Status != state.StagePassed {
		t.Error("the change went into a copy")
	}
	if run.Stage(state.StageRollback) != nil {
		t.Error("a stage was found that the run has not")
	}
}

func TestPeopleAreToldFromMachines(t *testing.T) {
	for kind, want := range map[state.TriggerKind]bool{
		state.TriggerAPI: true, state.TriggerCLI: true,
		state.TriggerWebhook: false, state.TriggerPoll: false, state.TriggerRecovery: false,
	} {
		if kind.ByPerson() != want {
			t.Errorf("%s: by a person %t, want %t", kind, !want, want)
		}
	}
}
