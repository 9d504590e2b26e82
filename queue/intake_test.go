package queue

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"deployer/state"
)

func TestDeliveriesThatArriveTogetherAreAllStoredAndTheNewestWaits(t *testing.T) {
	b := newBench(t)
	first := b.accepted(b.event("0123456789"))
	const senders, each = 16, 10
	var ids []string
	var mu sync.Mutex
	var group sync.WaitGroup
	for sender := range senders {
		group.Go(func() {
			for i := range each {
				event := state.Event{Kind: state.EventPush, Ref: "refs/heads/main", After: fmt.Sprintf("%010d", sender*each+i), Delivery: fmt.Sprintf("%d-%d", sender, i)}
				receipt, err := b.queue.Accept(t.Context(), "infra", []state.Event{event})
				if err != nil || len(receipt.Runs) != 1 {
					t.Errorf("accepted %+v, %v", receipt, err)
					return
				}
				run := receipt.Runs[0]
				if kept := b.run(run.ID); kept.Commit != event.After || kept.Trigger.Delivery != event.Delivery {
					t.Errorf("%+v became %+v", event, kept)
				}
				mu.Lock()
				ids = append(ids, run.ID)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.Sort(ids)
	newest := ids[len(ids)-1]
	for _, id := range append(ids, first.ID) {
		run := b.run(id)
		want := state.RunSuperseded
		if id == newest {
			want = state.RunQueued
		}
		if run.Status != want || (want == state.RunSuperseded) != (run.SupersededBy > id) {
			t.Errorf("run %s of %s is %s by %q, want %s", id, run.Commit, run.Status, run.SupersededBy, want)
		}
	}
	if len(ids) != senders*each {
		t.Errorf("%d runs for %d deliveries", len(ids), senders*each)
	}
}

func TestOneDeliverySentManyTimesAtOnceIsTakenOnce(t *testing.T) {
	b := newBench(t)
	event := b.event("0123456789")
	var group sync.WaitGroup
	runs := make([]int, 16)
	for i := range runs {
		group.Go(func() {
			receipt, err := b.queue.Accept(t.Context(), "infra", []state.Event{event})
			if err != nil {
				t.Error(err)
			}
			runs[i] = len(receipt.Runs)
		})
	}
	group.Wait()
	slices.Sort(runs)
	if !slices.Equal(runs, append(make([]int, 15), 1)) {
		t.Errorf("the deliveries queued %v runs, want one in all", runs)
	}
}

func TestDeliveryThatCannotBeTakenDoesNotFailThoseBesideIt(t *testing.T) {
	b := newBench(t, "blog", "shop")
	b.must(b.store.Close())
	db, err := bolt.Open(b.database(), 0o600, nil)
	b.must(err)
	b.must(db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte("stacks")).Put([]byte("blog"), []byte("{broken")) }))
	b.must(db.Close())
	b.store, err = state.Open(filepath.Join(b.dir, "deployer.db"))
	b.must(err)
	b.stacks[0].Branch = "press"
	b.renew()

	var together []*delivery
	for i := range 8 {
		event := b.event(fmt.Sprintf("%010d", i))
		if i%4 == 1 {
			event.Ref = "refs/heads/press"
		}
		together = append(together, &delivery{repository: "infra", events: []state.Event{event}, stored: make(chan error, 1)})
	}
	b.queue.intake.waiting = slices.Clone(together)
	b.queue.storeWaiting()
	for i, d := range together {
		err := <-d.stored
		if broken := i%4 == 1; broken != (err != nil) || (broken && !strings.Contains(err.Error(), "blog")) || broken != (len(d.receipt.Runs) == 0) {
			t.Errorf("delivery %d: %+v, %v", i, d.receipt, err)
		}
		for _, r := range d.receipt.Runs {
			b.run(r.ID)
		}
	}
}

func TestFloodOfPushesLeavesNoMoreThanTheRetention(t *testing.T) {
	b := newBench(t)
	b.parts.Retention = func() state.Retention { return state.Retention{Runs: 20, Age: 24 * time.Hour} }
	b.renew()
	first := b.event("0123456789")
	b.accepted(first)
	var newest *state.Run
	for i := range 500 {
		newest = b.accepted(b.event(fmt.Sprintf("%010d", i)))
	}
	var kept []*state.Run
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		kept, _, err = tx.Runs(state.RunQuery{Stack: "shop", Limit: 1000})
		return err
	}))
	if len(kept) < 21 || len(kept) > 20+trimEvery+1 || kept[0].ID != newest.ID {
		t.Errorf("%d runs are kept of 501", len(kept))
	}
	b.ignored(first, "already taken") // also where its run is forgotten
}
