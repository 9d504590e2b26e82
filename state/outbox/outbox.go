// Package outbox hands the notices of runs to sinks: to each all that it
// wants, in order, at least once, whatever fails or restarts meanwhile.
package outbox

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"deployer/state"
)

// MaxPause is the longest time between two tries, where the sink does not ask
// for more.
const MaxPause = 10 * time.Minute

const (
	lookEvery  = time.Minute     // without a cause
	firstPause = 5 * time.Second // before what was not taken is handed over again
)

// A Sink takes notices. One that is new is told what happens from now on.
type Sink struct {
	Key  string // in the database, beginning with the outbox's prefix
	Name string // for people

	// Wants reports whether a notice says something to the sink; the others
	// are passed over. It is asked within a transaction.
	Wants func(*state.Notice, *state.Run) bool

	// Take takes a notice. After an error it is handed over again, and none
	// before it has been taken: after a pause that grows, or not before what
	// the error's RetryAfter says. Calls for one key never overlap.
	Take func(context.Context, *state.Notice, *state.Run) error
}

// Options are what an Outbox works with.
type Options struct {
	Store  *state.Store
	Prefix string                 // of the sinks' keys
	Sinks  func() ([]Sink, error) // those of now; after an error nothing is handed over or forgotten
	Task   string                 // what taking a notice is, for the log: "send a message"
	Mask   func(string) string    // takes secrets out of an error's text
	Now    func() time.Time
	Log    *slog.Logger
}

// An Outbox hands each sink what happened since the last notice that it took.
// Which one that was is on disk: a restart repeats at most the one that was
// under way. Its methods may be called from any goroutine.
type Outbox struct {
	Options
	wake  chan struct{}
	group sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line // by key
	known []string         // keys that the database knows; nil: not stored yet
}

// A line is the state of the way to one sink.
type line struct {
	busy     bool
	failures int
	next     time.Time // not before
}

// New makes an outbox.
func New(o Options) *Outbox {
	return &Outbox{Options: o, wake: make(chan struct{}, 1), lines: make(map[string]*line)}
}

// RunChanged wakes the outbox. It does not block.
func (o *Outbox) RunChanged(*state.Run) {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Serve hands over until ctx ends, and returns when what is under way is over.
func (o *Outbox) Serve(ctx context.Context) {
	defer o.group.Wait()
	for {
		timer := time.NewTimer(o.pass(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-o.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass begins with every sink that may be handed something, and returns when
// to come again.
func (o *Outbox) pass(ctx context.Context) (pause time.Duration) {
	pause = lookEvery
	sinks, err := o.Sinks()
	if err != nil {
		o.Log.Error("read where to "+o.Task, "error", err)
		return pause
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.know(sinks); err != nil {
		o.Log.Error("store who is told", "error", err)
		return pause
	}
	now := o.Now()
	for _, s := range sinks {
		l := o.lines[s.Key]
		if l == nil {
			l = &line{}
			o.lines[s.Key] = l
		}
		switch wait := l.next.Sub(now); {
		case l.busy:
		case wait > 0:
			pause = min(pause, wait)
		default:
			l.busy = true
			o.group.Go(func() { o.drain(ctx, s, l) })
		}
	}
	return pause
}

// know makes the database know exactly these sinks.
func (o *Outbox) know(sinks []Sink) error {
	keys := make([]string, 0, len(sinks))
	for _, s := range sinks {
		keys = append(keys, s.Key)
	}
	slices.Sort(keys)
	if o.known != nil && slices.Equal(o.known, keys) {
		return nil
	}
	err := o.Store.Update(func(tx *state.Tx) error {
		for _, key := range keys {
			if err := tx.PutTold(key, tx.Told(key)); err != nil {
				return err
			}
		}
		return tx.KeepSinks(o.Prefix, keys)
	})
	if err == nil {
		o.known = keys
	}
	return err
}

// drain hands a sink all that it did not take yet.
func (o *Outbox) drain(ctx context.Context, s Sink, l *line) {
	var err error
	for more := true; more && err == nil && ctx.Err() == nil; {
		more, err = o.hand(ctx, s)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	l.busy = false
	if err == nil || ctx.Err() != nil {
		l.failures, l.next = 0, time.Time{}
		return
	}
	pause := min(firstPause<<min(l.failures, 10), MaxPause)
	var asks interface{ RetryAfter() time.Duration }
	if errors.As(err, &asks) {
		pause = max(pause, asks.RetryAfter())
	}
	l.failures++
	l.next = o.Now().Add(pause)
	o.Log.Warn(o.Task, "to", s.Name, "error", o.Mask(err.Error()), "again_in", pause)
	o.RunChanged(nil) // the next pass sets the timer
}

// hand hands a sink the next notice, and reports whether there may be more.
func (o *Outbox) hand(ctx context.Context, s Sink) (more bool, err error) {
	notice, run, err := o.next(s)
	if err != nil || notice == nil {
		return false, err
	}
	if run != nil {
		if err := s.Take(ctx, notice, run); err != nil {
			return false, err
		}
	}
	return true, o.Store.Update(func(tx *state.Tx) error { return tx.PutTold(s.Key, notice.Number) })
}

// next returns the first notice that a sink wants, or the last one, without a
// run, where it wants none. No notice: all is told.
func (o *Outbox) next(s Sink) (notice *state.Notice, run *state.Run, err error) {
	err = o.Store.View(func(tx *state.Tx) error {
		for after := tx.Told(s.Key); ; after = notice.Number {
			n, err := tx.NextNotice(after)
			if errors.Is(err, state.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			notice = n
			of, err := tx.Run(n.Run)
			if errors.Is(err, state.ErrNotFound) {
				continue // forgotten meanwhile
			}
			if err != nil {
				return err
			}
			if s.Wants(n, of) {
				run = of
				return nil
			}
		}
	})
	return notice, run, err
}
