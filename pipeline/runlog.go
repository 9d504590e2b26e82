package pipeline

import (
	"sync"
	"time"

	"deployer/state"
)

const (
	logPause = 100 * time.Millisecond // for how long lines gather before they are stored
	logPiece = 32 << 10               // bytes that are stored at once without waiting longer
)

// A runLog stores a run's log while it is written, in pieces small enough for
// people who follow it, and cuts it at its limit. Write may be called from any
// goroutine.
type runLog struct {
	store *state.Store
	run   string
	limit int64 // bytes

	mu      sync.Mutex
	pending []byte
	offset  int64 // where pending begins
	full    bool
	timer   *time.Timer
	err     error // of the last store; the run goes on without its log
}

func openRunLog(store *state.Store, run string, limit int64) (*runLog, error) {
	size, err := store.LogSize(run)
	if err != nil {
		return nil, err
	}
	return &runLog{store: store, run: run, limit: limit, offset: size, full: size >= limit}, nil
}

// Write takes text, and never fails: a log that cannot be stored must not end a deploy.
func (l *runLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		return len(text), nil
	}
	take := text
	if room := l.limit - l.offset - int64(len(l.pending)); int64(len(take)) > room {
		const notice = "\n… the log ends here: it reached its limit\n"
		take = append(take[:max(0, room):max(0, room)], notice...)
		l.full = true
	}
	l.pending = append(l.pending, take...)
	if len(l.pending) >= logPiece || l.full {
		l.flush()
	} else if l.timer == nil {
		l.timer = time.AfterFunc(logPause, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.flush()
		})
	}
	return len(text), nil
}

// flush stores what is pending. l.mu is held.
func (l *runLog) flush() {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.pending) == 0 {
		return
	}
	if err := l.store.AppendLog(l.run, l.offset, l.pending); err != nil {
		l.err = err
	}
	l.offset += int64(len(l.pending))
	l.pending = nil
}

// Flush stores what is pending and returns what went wrong since the run began.
func (l *runLog) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.flush()
	return l.err
}
