package queue

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// scheduled is a bench whose clock can be moved, with a live release that
// wants a backup at three.
func scheduled(t *testing.T) (b *bench, move func(time.Duration)) {
	b = newBench(t)
	var offset atomic.Int64
	start := time.Now()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.parts.Now = func() time.Time { return noon.Add(time.Since(start) + time.Duration(offset.Load())) }
	b.renew()
	b.must(b.store.Update(func(tx *state.Tx) error {
		return tx.PutStack(&state.Stack{Name: "shop", Live: &state.Release{ID: "r", Stack: "shop"},
			Schedule: &state.Schedule{Spec: "0 3 * * *", Last: noon}})
	}))
	return b, func(d time.Duration) { offset.Add(int64(d)) }
}

func (b *bench) due() (wait time.Duration, runs []*state.Run) {
	b.t.Helper()
	wait, err := b.queue.scheduleBackups(time.Hour)
	b.must(err)
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		runs, _, err = tx.Runs(state.RunQuery{Kind: state.KindBackup})
		return err
	}))
	return wait, runs
}

func TestAMissedBackupIsMadeUpForOnce(t *testing.T) {
	b, move := scheduled(t)
	if wait, runs := b.due(); len(runs) != 0 || wait != time.Hour {
		t.Errorf("%d runs at noon, next look in %s", len(runs), wait)
	}
	move(14*time.Hour + 50*time.Minute)
	if wait, runs := b.due(); len(runs) != 0 || wait > 10*time.Minute || wait < 9*time.Minute {
		t.Errorf("%d runs at ten to three, next look in %s", len(runs), wait)
	}
	move(5 * 24 * time.Hour) // deployer was down
	for range 2 {
		if _, runs := b.due(); len(runs) != 1 || runs[0].Trigger.Kind != state.TriggerSchedule || runs[0].Status != state.RunQueued {
			t.Fatalf("after five days there are %d runs", len(runs))
		}
	}
	move(24 * time.Hour)
	if _, runs := b.due(); len(runs) != 1 {
		t.Errorf("a backup was queued while one waits: %d", len(runs))
	}
	move(-365 * 24 * time.Hour) // the clock was wrong
	b.due()
	move(24 * time.Hour)
	if due := b.stack("shop").Schedule.Last; due.After(b.queue.now()) {
		t.Errorf("the schedule waits for %s", due)
	}
}

// Pushes look at no schedule, and keep no backup waiting.
func TestABackupBecomesDueWhilePushesKeepComing(t *testing.T) {
	b, move := scheduled(t)
	b.must(b.store.Update(func(tx *state.Tx) error { // no run ends: that would be a look too
		return tx.ChangeStack("shop", func(s *state.Stack) { s.Lock = &state.Lock{} })
	}))
	move(15*time.Hour - 2*time.Second)
	b.serve()
	due := func() bool {
		var runs []*state.Run
		b.must(b.store.View(func(tx *state.Tx) (err error) {
			runs, _, err = tx.Runs(state.RunQuery{Kind: state.KindBackup})
			return err
		}))
		return len(runs) > 0
	}
	for began := time.Now(); !due(); {
		if time.Since(began) > patience {
			t.Fatal("the backup that is due at three was not queued")
		}
		b.accept(b.event(fmt.Sprintf("%040x", time.Now().UnixNano())))
	}
	if at := b.queue.now(); at.Hour() != 3 || at.Minute() > 0 {
		t.Errorf("the backup of three was queued at %s", at)
	}
}

func TestBackupsAndPushesDoNotTakeEachOthersPlace(t *testing.T) {
	by := func(kind state.RunKind, trigger state.TriggerKind) *state.Run {
		return &state.Run{Stack: "shop", Kind: kind, Status: state.RunQueued, Trigger: state.Trigger{Kind: trigger}}
	}
	push, person := by(state.KindDeploy, state.TriggerWebhook), by(state.KindDeploy, state.TriggerAPI)
	for _, keeper := range []*state.Run{by(state.KindBackup, state.TriggerSchedule), by(state.KindBackup, state.TriggerAPI), by(state.KindRestore, state.TriggerCLI)} {
		for _, other := range []*state.Run{push, person} {
			if supersedes(keeper, other) || supersedes(other, keeper) {
				t.Errorf("%s and %s take each other's place", keeper.Kind, other.Kind)
			}
		}
		locked := &state.Stack{Lock: &state.Lock{}, Pin: &state.Pin{}}
		if v, _ := admit(&pipeline.Stack{}, keeper, locked, time.Now()); v != verdictPass {
			t.Errorf("a %s of a locked stack has to %s", keeper.Kind, v)
		}
	}
}
