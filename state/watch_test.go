package state_test

import (
	"sync"
	"testing"

	"deployer/state"
)

// signals counts what waits in a channel now.
func signals(changed <-chan struct{}) (n int) {
	for {
		select {
		case <-changed:
			n++
		default:
			return n
		}
	}
}

func TestWatchAnnouncesOnlyWhatIsCommitted(t *testing.T) {
	s := openStore(t)
	run := newRun("shop")
	changed, stop := s.Watch(run.ID)
	defer stop()
	update(t, s, func(tx *state.Tx) error {
		if err := tx.PutRun(run); err != nil {
			return err
		}
		if signals(changed) != 0 {
			t.Error("announced before the commit")
		}
		return nil
	})
	if got := signals(changed); got != 1 {
		t.Errorf("%d signals after the commit, want 1", got)
	}
}

func TestWatchCoalescesChangesOfRunAndLog(t *testing.T) {
	s := openStore(t)
	run := putRun(t, s, newRun("shop"))
	changed, stop := s.Watch(run.ID)
	defer stop()
	for range 5 {
		putRun(t, s, run)
		must(t, appendLog(s, run.ID, 0, []byte("line\n")))
	}
	if got := signals(changed); got != 1 {
		t.Errorf("%d signals wait after ten changes, want 1", got)
	}
	must(t, appendLog(s, run.ID, 5, []byte("line\n")))
	if got := signals(changed); got != 1 {
		t.Errorf("%d signals after one more line, want 1", got)
	}
}

func TestWatchIsOfOneRunAndEndsWithStop(t *testing.T) {
	s := openStore(t)
	run, other := newRun("shop"), newRun("shop")
	mine, stopMine := s.Watch(run.ID)
	second, stopSecond := s.Watch(run.ID)
	theirs, stopTheirs := s.Watch(other.ID)
	defer stopTheirs()
	putRun(t, s, run)
	if a, b, c := signals(mine), signals(second), signals(theirs); a != 1 || b != 1 || c != 0 {
		t.Errorf("signals %d and %d for the run's watchers, %d for another's; want 1, 1, 0", a, b, c)
	}
	stopMine()
	stopMine() // a second time does no harm
	putRun(t, s, run)
	if a, b := signals(mine), signals(second); a != 0 || b != 1 {
		t.Errorf("signals %d for who stopped, %d for who did not; want 0 and 1", a, b)
	}
	stopSecond()
}

// A follower that reads after each signal sees the last change, however many
// writers there were.
func TestWatcherSeesTheLastChange(t *testing.T) {
	s := openStore(t)
	run := putRun(t, s, newRun("shop"))
	changed, stop := s.Watch(run.ID)
	defer stop()
	const writers, each = 4, 10
	var group sync.WaitGroup
	for range writers {
		group.Go(func() {
			for range each {
				err := s.Update(func(tx *state.Tx) error {
					r, err := tx.Run(run.ID)
					if err != nil {
						return err
					}
					r.Interruptions++
					return tx.PutRun(r)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for seen := 0; seen < writers*each; {
		<-changed
		seen = read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(run.ID) }).Interruptions
	}
	group.Wait()
}
