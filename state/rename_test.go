package state_test

import (
	"testing"

	"deployer/state"
)

func TestRenamedStackHasAllThatWasKept(t *testing.T) {
	s := openStore(t)
	run, other := newRun("app"), newRun("app-2")
	run.Commit, run.Trigger.Actor = "0123456789abcdef", "ada"
	putRun(t, s, run)
	putRun(t, s, other)
	queued := putRun(t, s, newRun("app"))
	run.Status = state.RunRunning
	putRun(t, s, run)
	run.Status = state.RunSucceeded
	putRun(t, s, run)
	release := &state.Release{ID: "fp", Stack: "app", Run: run.ID, At: noon, VerifiedAt: &noon}
	neighbour := &state.Release{ID: "fp", Stack: "app-2", At: noon}
	update(t, s, func(tx *state.Tx) error {
		must(t, tx.PutRelease(release, []byte("sealed")))
		must(t, tx.PutRelease(neighbour, []byte("of the neighbour")))
		must(t, tx.WentLive(release))
		must(t, tx.PutStack(&state.Stack{Name: "app", Live: release, LastGood: release, Lock: &state.Lock{By: "ada"}, Project: "app"}))
		must(t, tx.PutBackup(&state.Backup{ID: "b", Stack: "app"}))
		return tx.PutHold(&state.Hold{Stack: "app", Run: run.ID})
	})
	update(t, s, func(tx *state.Tx) error { return tx.RenameStack("app", "shop") })

	view(t, s, func(tx *state.Tx) error {
		stack, err := tx.Stack("shop")
		must(t, err)
		if stack.Live.Stack != "shop" || stack.LastGood.ID != "fp" || stack.Lock == nil || stack.Shelf != "app" || stack.Project != "app" {
			t.Errorf("the stack is %+v", stack)
		}
		if keeps, err := tx.Keeps("app"); keeps || err != nil {
			t.Errorf("something is left: %v", err)
		}
		runs, _, err := tx.Runs(state.RunQuery{Stack: "shop"})
		if err != nil || len(runs) != 2 || runs[0].ID != queued.ID || runs[1].Status != state.RunSucceeded || runs[1].Stack != "shop" {
			t.Errorf("its runs are %+v, %v", runs, err)
		}
		if runs, _, _ := tx.Runs(state.RunQuery{Actor: "ada", Commit: "0123"}); len(runs) != 1 {
			t.Errorf("by actor and commit are %d runs", len(runs))
		}
		if runs, _, _ := tx.Runs(state.RunQuery{Stack: "app"}); len(runs) != 0 {
			t.Errorf("under the old name are %d runs", len(runs))
		}
		if active, err := tx.ActiveRuns(); err != nil || len(active) != 2 {
			t.Errorf("%d runs are active, %v", len(active), err)
		}
		if r, err := tx.Release("shop", "fp"); err != nil || r.Stack != "shop" || r.Run != run.ID {
			t.Errorf("its release is %+v, %v", r, err)
		}
		if sealed, err := tx.Sealed("shop", "fp"); err != nil || string(sealed) != "sealed" {
			t.Errorf("its recipe is %q, %v", sealed, err)
		}
		if r, err := tx.LiveAt("shop", noon); err != nil || r.Stack != "shop" {
			t.Errorf("live was %+v, %v", r, err)
		}
		if b, err := tx.Backups("shop"); err != nil || len(b) != 1 {
			t.Errorf("its backups are %v, %v", b, err)
		}
		if h, err := tx.Hold("shop"); err != nil || h.Run != run.ID {
			t.Errorf("it holds %+v, %v", h, err)
		}
		if sealed, err := tx.Sealed("app-2", "fp"); err != nil || string(sealed) != "of the neighbour" {
			t.Errorf("the neighbour's recipe is %q, %v", sealed, err)
		}
		if r, err := tx.Run(other.ID); err != nil || r.Stack != "app-2" {
			t.Errorf("the neighbour's run is %+v, %v", r, err)
		}
		for name, want := range map[[2]string]string{{"shop", ""}: "app", {"shop", "app"}: "app", {"new", "shop"}: "app", {"app-2", ""}: "app-2", {"new", "none"}: "new"} {
			if got, err := tx.ShelfOf(name[0], name[1]); err != nil || got != want {
				t.Errorf("the shelf of %v is %s, want %s: %v", name, got, want, err)
			}
		}
		return nil
	})
	// Again, to a third name: the files stay where they were first.
	update(t, s, func(tx *state.Tx) error { return tx.RenameStack("shop", "store") })
	if got := read(t, s, func(tx *state.Tx) (*state.Stack, error) { return tx.Stack("store") }); got.Shelf != "app" {
		t.Errorf("the shelf is %s", got.Shelf)
	}
}
