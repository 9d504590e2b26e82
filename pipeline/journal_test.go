package pipeline

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"deployer/state"
)

// logged is the run whose log these tests write.
var logged = &state.Run{ID: "run", Status: state.RunRunning}

// A desk is a store whose one run's log is written.
type desk struct {
	t     *testing.T
	path  string
	store *state.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, path: filepath.Join(t.TempDir(), "deployer.db")}
	var err error
	d.store, err = state.Open(d.path)
	d.must(err)
	t.Cleanup(func() { d.must(d.store.Close()) })
	return d
}

func (d *desk) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) open(limit int64) *journal {
	d.t.Helper()
	log, err := openJournal(d.store, "run", limit)
	d.must(err)
	return log
}

func (d *desk) await(changed <-chan struct{}) {
	d.t.Helper()
	select {
	case <-changed:
	case <-time.After(time.Minute):
		d.t.Fatal("nothing is stored")
	}
}

func (d *desk) storedLog() string {
	d.t.Helper()
	text, err := d.store.ReadLog("run", 0, 1<<30)
	d.must(err)
	return string(text)
}

func (d *desk) run() (run *state.Run) {
	d.t.Helper()
	d.must(d.store.View(func(tx *state.Tx) (err error) {
		run, err = tx.Run("run")
		return err
	}))
	return run
}

func (d *desk) write(log *journal, text string) {
	d.t.Helper()
	if n, err := log.Write([]byte(text)); n != len(text) || err != nil {
		d.t.Errorf("write of %d bytes: %d, %v", len(text), n, err)
	}
}

func TestLogIsStoredByItselfAfterAMoment(t *testing.T) {
	d := newDesk(t)
	log := d.open(1000)
	changed, stop := d.store.Watch("run")
	defer stop()
	d.write(log, "one\n")
	d.write(log, "two\n")
	d.await(changed)
	if got := d.storedLog(); got != "one\ntwo\n" {
		t.Errorf("stored is %q", got)
	}
	d.must(log.Commit(logged, nil))
}

func TestLargePieceIsStoredAtOnce(t *testing.T) {
	d := newDesk(t)
	log := d.open(1 << 20)
	d.write(log, strings.Repeat("x", journalPiece))
	if got := d.storedLog(); len(got) != journalPiece {
		t.Errorf("%d bytes are stored", len(got))
	}
	d.must(log.Commit(logged, nil))
}

func TestLogEndsAtItsLimitAndSaysSo(t *testing.T) {
	d := newDesk(t)
	log := d.open(10)
	d.write(log, "12345\n")
	d.write(log, "6789 and more\n")
	d.write(log, "never seen\n")
	d.must(log.Commit(logged, nil))
	got := d.storedLog()
	if !strings.HasPrefix(got, "12345\n6789\n") || !strings.Contains(got, "reached its limit") || strings.Contains(got, "more") {
		t.Errorf("stored is %q", got)
	}
	again := d.open(10) // the next start does not begin anew
	d.write(again, "after a restart\n")
	d.must(again.Commit(logged, nil))
	if d.storedLog() != got {
		t.Errorf("after a restart it is %q", d.storedLog())
	}
}

func TestLogGoesOnWhereTheLastStartEnded(t *testing.T) {
	d := newDesk(t)
	for _, line := range []string{"one\n", "two\n"} {
		log := d.open(1000)
		d.write(log, line)
		d.must(log.Commit(logged, nil))
	}
	if got := d.storedLog(); got != "one\ntwo\n" {
		t.Errorf("stored is %q", got)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	d := newDesk(t)
	log := d.open(1 << 20)
	const writers, lines = 8, 100
	var group sync.WaitGroup
	for w := range writers {
		group.Go(func() {
			for i := range lines {
				if _, err := fmt.Fprintf(log, "writer %d line %d of some length\n", w, i); err != nil {
					t.Error(err)
				}
				if i%40 == 0 {
					if err := log.Commit(logged, nil); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	group.Wait()
	d.must(log.Commit(logged, nil))
	next := make([]int, writers)
	for line := range strings.Lines(d.storedLog()) {
		var w, i int
		if _, err := fmt.Sscanf(line, "writer %d line %d of some length\n", &w, &i); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if i != next[w] {
			t.Fatalf("writer %d: line %d comes before line %d", w, i, next[w])
		}
		next[w]++
	}
	for w, n := range next {
		if n != lines {
			t.Errorf("writer %d has %d lines, want %d", w, n, lines)
		}
	}
}

func TestWhatCannotBeStoredGoesWithTheNextTransaction(t *testing.T) {
	d := newDesk(t)
	log := d.open(1000)
	d.must(d.store.Close())
	d.write(log, strings.Repeat("x", 100))
	log.Show(logged)
	if log.Commit(logged, nil) == nil {
		t.Error("a run that is not on disk is reported as stored")
	}
	store, err := state.Open(d.path)
	d.must(err)
	defer store.Close()
	log.store = store
	d.must(log.Commit(logged, nil))
	if text, err := store.ReadLog("run", 0, 1000); len(text) != 100 || err != nil {
		t.Errorf("%d bytes of the log are stored: %v", len(text), err)
	}
}

func TestRunIsShownWithinAMoment(t *testing.T) {
	d := newDesk(t)
	log := d.open(1000)
	changed, stop := d.store.Watch("run")
	defer stop()
	run := *logged
	run.Stages = []state.StageResult{{Name: state.StageFetch, Steps: []state.Step{{Name: "as it was"}}}}
	log.Show(&run)
	run.Stages[0].Steps[0].Name = "as it goes on" // the run may change at once
	d.await(changed)
	if got := d.run().Stages[0].Steps[0].Name; got != "as it was" {
		t.Errorf("shown is %q", got)
	}
	d.must(log.Commit(&run, nil))
	if got := d.run().Stages[0].Steps[0].Name; got != "as it goes on" {
		t.Errorf("after the commit it is %q", got)
	}
}
