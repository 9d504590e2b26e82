package state_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"deployer/state"
)

func later(d time.Duration) *time.Time { t := noon.Add(d); return &t }

func wholeRun() *state.Run {
	return &state.Run{
		ID: state.NewRunID(), Stack: "shop", Kind: state.KindRollback,
		Trigger: state.Trigger{Kind: state.TriggerAPI, Actor: "ops", Delivery: "d-1", Reason: "bad checkout"},
		Commit:  "aaa", Subject: "Add “web” <b>", Author: "Zoë", Environment: "production", Previous: "bbb", Release: "fff",
		Status: state.RunRunning, CreatedAt: noon, StartedAt: later(time.Second), FinishedAt: later(time.Minute),
		Error: "verify: no", Hint: "look", SupersededBy: "x", RolledBackTo: "bbb", ApprovedBy: "boss",
		Stages: []state.StageResult{{
			Name: state.StageVerify, Status: state.StageFailed, StartedAt: later(1), FinishedAt: later(2),
			Steps: []state.Step{{Name: "http", Status: state.StepFailed, Message: "502\nbad", Hint: "wait", DurationMS: 12}},
		}},
		Changes: &state.Changes{Services: []state.ServiceChange{{Name: "web", Action: state.ActionRecreate, Why: "image"}}},
		Want:    state.RunTarget{Commit: "aaa", Environment: "dev", Release: "fff", Force: []string{"lock"}, Pin: true},
		Phase:   state.PhaseRollingBack, WaitingFor: "lock", Interruptions: 2,
	}
}

func wholeRelease(stack string) *state.Release {
	return &state.Release{
		ID: "f00d", Stack: stack, Commit: "aaa", Subject: "Add web", Run: "r-1", Environment: "production",
		Images: map[string]string{"web": "sha256:1"}, At: noon, VerifiedAt: later(time.Minute),
	}
}

func TestEveryNounIsReadAsItWasStored(t *testing.T) {
	s := openStore(t)
	run, release := wholeRun(), wholeRelease("shop")
	stack := &state.Stack{
		Name: "shop", Live: release, LastGood: release, Head: "ccc", HeadRelease: "f00d",
		Lock:        &state.Lock{Reason: "sale", By: "ops", At: noon},
		Pin:         &state.Pin{Commit: "aaa", By: "ops", Reason: "calm", At: noon},
		Quarantined: []state.Quarantine{{Release: "bad", Commit: "ddd", Run: "r-2", Why: "502", At: noon}},
		Reads:       []string{"shop/compose.yaml"}, Paths: []string{"shared/**"},
		Judged: &state.Judgement{Commit: "ccc", Release: "f00d", Run: "r-3", Status: state.RunFailed, Again: true, Outage: true},
	}
	delivery := &state.Delivery{At: noon, Runs: []string{run.ID}}
	entry := &state.AuditEntry{At: noon, Actor: "ops", Role: "deployer", Action: "lock", Stack: "shop", Run: run.ID, Reason: "sale", Remote: "192.0.2.1"}
	sealed := []byte{0, 1, 2, 0xff}
	update(t, s, func(tx *state.Tx) error {
		return errors.Join(tx.PutRun(run), tx.PutStack(stack), tx.PutRelease(release, sealed),
			tx.PutDelivery("infra", "d-1", delivery), tx.PutAudit(entry))
	})
	for name, row := range map[string]struct{ want, got any }{
		"run":      {run, read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(run.ID) })},
		"stack":    {stack, read(t, s, func(tx *state.Tx) (*state.Stack, error) { return tx.Stack("shop") })},
		"release":  {release, read(t, s, func(tx *state.Tx) (*state.Release, error) { return tx.Release("shop", "f00d") })},
		"recipe":   {sealed, read(t, s, func(tx *state.Tx) ([]byte, error) { return tx.Sealed("shop", "f00d") })},
		"delivery": {delivery, read(t, s, func(tx *state.Tx) (*state.Delivery, error) { return tx.Delivery("infra", "d-1") })},
		"audit":    {[]*state.AuditEntry{entry}, read(t, s, func(tx *state.Tx) ([]*state.AuditEntry, error) { return tx.Audit(5) })},
	} {
		if d := cmp.Diff(row.want, row.got); d != "" {
			t.Errorf("%s (-stored +read):\n%s", name, d)
		}
	}
}

func TestWhatIsNotKeptIsNotFound(t *testing.T) {
	s := openStore(t)
	view(t, s, func(tx *state.Tx) error {
		_, run := tx.Run("x")
		_, release := tx.Release("shop", "x")
		_, recipe := tx.Sealed("shop", "x")
		_, delivery := tx.Delivery("infra", "x")
		_, live := tx.LiveAt("shop", noon)
		for name, err := range map[string]error{"run": run, "release": release, "recipe": recipe, "delivery": delivery, "live": live} {
			if !errors.Is(err, state.ErrNotFound) {
				t.Errorf("%s: %v, want ErrNotFound", name, err)
			}
		}
		stack, err := tx.Stack("shop")
		if d := cmp.Diff(&state.Stack{Name: "shop"}, stack); d != "" {
			t.Errorf("a stack that is not kept (-want +got):\n%s", d)
		}
		return err
	})
}

func TestChangeStackStartsFromWhatIsKept(t *testing.T) {
	s := openStore(t)
	update(t, s, func(tx *state.Tx) error {
		return errors.Join(
			tx.ChangeStack("shop", func(k *state.Stack) { k.Head = "aaa" }),
			tx.ChangeStack("shop", func(k *state.Stack) { k.HeadRelease = "f00d" }))
	})
	got := read(t, s, func(tx *state.Tx) (*state.Stack, error) { return tx.Stack("shop") })
	if got.Head != "aaa" || got.HeadRelease != "f00d" {
		t.Errorf("got %+v", got)
	}
}

func TestDeliveriesOfTwoRepositoriesAreNotConfused(t *testing.T) {
	s := openStore(t)
	update(t, s, func(tx *state.Tx) error { return tx.PutDelivery("infra", "7", &state.Delivery{At: noon}) })
	view(t, s, func(tx *state.Tx) error {
		for _, other := range [][2]string{{"infra2", "7"}, {"infr", "a7"}, {"infra", "77"}, {"infra", ""}} {
			if _, err := tx.Delivery(other[0], other[1]); !errors.Is(err, state.ErrNotFound) {
				t.Errorf("delivery %q of %q: %v, want ErrNotFound", other[1], other[0], err)
			}
		}
		return nil
	})
}

func TestAuditShowsTheNewestFirst(t *testing.T) {
	s := openStore(t)
	for _, action := range []string{"first", "second", "third"} { // the clock stands still: order is that of writing
		update(t, s, func(tx *state.Tx) error { return tx.PutAudit(&state.AuditEntry{At: noon, Action: action}) })
	}
	var got []string
	for _, e := range read(t, s, func(tx *state.Tx) ([]*state.AuditEntry, error) { return tx.Audit(2) }) {
		got = append(got, e.Action)
	}
	if d := cmp.Diff([]string{"third", "second"}, got); d != "" {
		t.Errorf("the newest two (-want +got):\n%s", d)
	}
}

func TestSyncIsDerivedFromWhatIsLive(t *testing.T) {
	live := &state.Release{ID: "f1", Commit: "aaa"}
	quarantined := []state.Quarantine{{Release: "f2", Commit: "bbb"}}
	for _, row := range []struct {
		name  string
		stack state.Stack
		want  state.Sync
	}{
		{"nothing is known", state.Stack{}, state.SyncNeverDeployed},
		{"only a head", state.Stack{Head: "aaa"}, state.SyncNeverDeployed},
		{"the head's commit is live", state.Stack{Live: live, Head: "aaa"}, state.SyncInSync},
		{"the head's release is live", state.Stack{Live: live, Head: "ccc", HeadRelease: "f1"}, state.SyncInSync},
		{"another release is live", state.Stack{Live: live, Head: "ccc", HeadRelease: "f3"}, state.SyncBehind},
		{"the head was not resolved yet", state.Stack{Live: live, Head: "ccc"}, state.SyncBehind},
		{"the head is quarantined", state.Stack{Live: live, Head: "bbb", HeadRelease: "f2", Quarantined: quarantined}, state.SyncQuarantined},
		{"the first release is quarantined", state.Stack{Head: "bbb", HeadRelease: "f2", Quarantined: quarantined}, state.SyncQuarantined},
		{"pinned, whatever the head", state.Stack{Live: live, Pin: &state.Pin{}, Head: "bbb", HeadRelease: "f2", Quarantined: quarantined}, state.SyncPinned},
	} {
		if got := row.stack.Sync(); got != row.want {
			t.Errorf("%s: %s, want %s", row.name, got, row.want)
		}
	}
}

func TestChangesAreEmptyWhereEveryServiceIsKept(t *testing.T) {
	kept := state.ServiceChange{Name: "db", Action: state.ActionKeep}
	if c := (state.Changes{Services: []state.ServiceChange{kept}}); !c.Empty() {
		t.Error("a kept service counts as a change")
	}
	if c := (state.Changes{Services: []state.ServiceChange{kept, {Name: "web", Action: state.ActionRemove}}}); c.Empty() {
		t.Error("a removed service counts as no change")
	}
}
