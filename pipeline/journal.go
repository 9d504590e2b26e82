package pipeline

import (
	"slices"
	"sync"
	"time"

	"deployer/state"
)

const (
	journalPause = 100 * time.Millisecond // for how long lines and steps gather before they are stored
	journalPiece = 32 << 10               // bytes of a log that are stored at once without waiting longer
)

// A journal stores a run and its log while it goes on: soon enough for people
// who follow it, and in few transactions, since each costs the disk's own time.
// What must be on disk before something else happens goes through Commit. Its
// methods may be called from any goroutine.
type journal struct {
	store *state.Store
	id    string
	limit int64 // bytes of the log

	mu     sync.Mutex
	run    *state.Run // that waits to be stored; nil: none
	text   []byte     // of the log, that waits to be stored
	offset int64      // where text begins
	full   bool
	timer  *time.Timer
}

// openJournal goes on where the log of the run ends. Where that cannot be
// read, the journal is returned too: it keeps the run, without a log.
func openJournal(store *state.Store, run string, limit int64) (*journal, error) {
	size, err := store.LogSize(run)
	return &journal{store: store, id: run, limit: limit, offset: size, full: err != nil || size >= limit}, err
}

// Write takes text of the log, and never fails: a log that cannot be stored
// must not end a deploy.
func (j *journal) Write(text []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return len(text), nil
	}
	take := text
	if room := j.limit - j.offset - int64(len(j.text)); int64(len(take)) > room {
		const notice = "\n… the log ends here: it reached its limit\n"
		take = append(take[:max(0, room):max(0, room)], notice...)
		j.full = true
	}
	j.text = append(j.text, take...)
	if len(j.text) >= journalPiece || j.full {
		j.flush()
	} else {
		j.soon()
	}
	return len(text), nil
}

// Show stores the run, as it is now, within a moment.
func (j *journal) Show(run *state.Run) {
	shown := *run
	shown.Stages = slices.Clone(run.Stages)
	for i := range shown.Stages {
		shown.Stages[i].Steps = slices.Clone(shown.Stages[i].Steps)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.run = &shown
	j.soon()
}

// Commit stores the run, what there is of its log, and what fn changes where
// there is one, in one transaction: when it returns without an error, all of it
// is on disk.
func (j *journal) Commit(run *state.Run, fn func(*state.Tx) error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.run = nil // it is older
	return j.put(func(tx *state.Tx) error {
		if fn != nil {
			if err := fn(tx); err != nil {
				return err
			}
		}
		return tx.PutRun(run)
	})
}

// soon has what waits stored in a moment. j.mu is held.
func (j *journal) soon() {
	if j.timer != nil {
		return
	}
	j.timer = time.AfterFunc(journalPause, func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.flush()
	})
}

// flush stores what waits. What cannot be stored now goes with the next
// transaction. j.mu is held.
func (j *journal) flush() {
	run := j.run
	if run == nil && len(j.text) == 0 {
		j.rest()
		return
	}
	err := j.put(func(tx *state.Tx) error {
		if run == nil {
			return nil
		}
		return tx.PutRun(run)
	})
	if err == nil {
		j.run = nil
	}
}

// put stores the text that waits, with what fn changes. j.mu is held.
func (j *journal) put(fn func(*state.Tx) error) error {
	j.rest()
	err := j.store.Update(func(tx *state.Tx) error {
		if err := tx.AppendLog(j.id, j.offset, j.text); err != nil {
			return err
		}
		return fn(tx)
	})
	if err == nil {
		j.offset, j.text = j.offset+int64(len(j.text)), nil
	}
	return err
}

func (j *journal) rest() {
	if j.timer != nil {
		j.timer.Stop()
		j.timer = nil
	}
}
