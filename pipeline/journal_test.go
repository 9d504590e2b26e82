package pipeline

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"deployer/state"
)

// logged is the run whose log these tests write.
var logged = &state.Run{ID: "run", Status: state.RunRunning}

func open(b *bench, limit int64) *journal {
	b.t.Helper()
	log, err := openJournal(b.store, "run", limit)
	b.must(err)
	return log
}

func storedLog(b *bench) string {
	b.t.Helper()
	text, err := b.store.ReadLog("run", 0, 1<<30)
	b.must(err)
	return string(text)
}

func write(b *bench, log *journal, text string) {
	b.t.Helper()
	if n, err := log.Write([]byte(text)); n != len(text) || err != nil {
		b.t.Errorf("write of %d bytes: %d, %v", len(text), n, err)
	}
}

func TestLogIsStoredByItselfAfterAMoment(t *testing.T) {
	b := newBench(t)
	log := open(b, 1000)
	changed, stop := b.store.Watch("run")
	defer stop()
	write(b, log, "one\n")
	write(b, log, "two\n")
	b.await(changed)
	if got := storedLog(b); got != "one\ntwo\n" {
		t.Errorf("stored is %q", got)
	}
	b.must(log.Commit(logged, nil))
}

func TestLargePieceIsStoredAtOnce(t *testing.T) {
	b := newBench(t)
	log := open(b, 1<<20)
	write(b, log, strings.Repeat("x", journalPiece))
	if got := storedLog(b); len(got) != journalPiece {
		t.Errorf("%d bytes are stored", len(got))
	}
	b.must(log.Commit(logged, nil))
}

func TestLogEndsAtItsLimitAndSaysSo(t *testing.T) {
	b := newBench(t)
	log := open(b, 10)
	write(b, log, "12345\n")
	write(b, log, "6789 and more\n")
	write(b, log, "never seen\n")
	b.must(log.Commit(logged, nil))
	got := storedLog(b)
	if !strings.HasPrefix(got, "12345\n6789\n") || !strings.Contains(got, "reached its limit") || strings.Contains(got, "more") {
		t.Errorf("stored is %q", got)
	}
	again := open(b, 10) // the next start does not begin anew
	write(b, again, "after a restart\n")
	b.must(again.Commit(logged, nil))
	if storedLog(b) != got {
		t.Errorf("after a restart it is %q", storedLog(b))
	}
}

func TestLogGoesOnWhereTheLastStartEnded(t *testing.T) {
	b := newBench(t)
	for _, line := range []string{"one\n", "two\n"} {
		log := open(b, 1000)
		write(b, log, line)
		b.must(log.Commit(logged, nil))
	}
	if got := storedLog(b); got != "one\ntwo\n" {
		t.Errorf("stored is %q", got)
	}
}

func TestLinesOfManyWritersStayWhole(t *testing.T) {
	b := newBench(t)
	log := open(b, 1<<20)
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
	b.must(log.Commit(logged, nil))
	next := make([]int, writers)
	for line := range strings.Lines(storedLog(b)) {
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
	b := newBench(t)
	log := open(b, 1000)
	b.must(b.store.Close())
	write(b, log, strings.Repeat("x", 100))
	log.Show(logged)
	if log.Commit(logged, nil) == nil {
		t.Error("a run that is not on disk is reported as stored")
	}
	store, err := state.Open(b.database())
	b.must(err)
	defer store.Close()
	log.store = store
	b.must(log.Commit(logged, nil))
	if text, err := store.ReadLog("run", 0, 1000); len(text) != 100 || err != nil {
		t.Errorf("%d bytes of the log are stored: %v", len(text), err)
	}
}

func TestRunIsShownWithinAMoment(t *testing.T) {
	b := newBench(t)
	log := open(b, 1000)
	changed, stop := b.store.Watch("run")
	defer stop()
	run := *logged
	run.Stages = []state.StageResult{{Name: state.StageFetch, Steps: []state.Step{{Name: "as it was"}}}}
	log.Show(&run)
	run.Stages[0].Steps[0].Name = "as it goes on" // the run may change at once
	b.await(changed)
	if got := b.run("run").Stages[0].Steps[0].Name; got != "as it was" {
		t.Errorf("shown is %q", got)
	}
	b.must(log.Commit(&run, nil))
	if got := b.run("run").Stages[0].Steps[0].Name; got != "as it goes on" {
		t.Errorf("after the commit it is %q", got)
	}
}
