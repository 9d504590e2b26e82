// Package notify owns the messages to people: what became of a run, and what
// the monitor has noticed, once each, through chat, mail or whatever else a
// URL names.
package notify

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"deployer/state"
)

const (
	lookEvery  = time.Minute      // without a cause
	firstPause = 5 * time.Second  // before what could not be sent is sent again
	maxPause   = 10 * time.Minute // between two tries
	staleAfter = 24 * time.Hour   // news of this age are not sent any more
)

// A Sink is a place that messages go to.
type Sink struct {
	Name string                 // for people: notify[0] (slack)
	URL  func() (string, error) // read again for each message
}

// Options are what a Notifier works with.
type Options struct {
	Store *state.Store
	Sinks func() []Sink // those of now
	URL   string        // of deployer's own page; empty: messages have no link
	Send  func(url, title, text string) error
	Mask  func(string) string // takes secrets out of an error's text
	Now   func() time.Time
	Log   *slog.Logger
}

// A Notifier sends each sink what happened since it last told that one. What
// it has told is on disk: a restart repeats at most the message that was under
// way. Its methods may be called from any goroutine.
type Notifier struct {
	Options
	wake  chan struct{}
	group sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line // by key of the sink
}

// A line is the state of the way to one sink.
type line struct {
	busy     bool
	failures int
	next     time.Time // not before
}

// New makes a notifier.
func New(o Options) *Notifier {
	return &Notifier{Options: o, wake: make(chan struct{}, 1), lines: make(map[string]*line)}
}

// RunChanged wakes the notifier. It does not block.
func (n *Notifier) RunChanged(*state.Run) {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Serve sends until ctx ends, and returns when the message under way is sent.
func (n *Notifier) Serve(ctx context.Context) {
	defer n.group.Wait()
	for {
		timer := time.NewTimer(n.pass(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-n.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass starts on every sink that may be sent to, and returns when to come again.
func (n *Notifier) pass(ctx context.Context) (pause time.Duration) {
	pause = lookEvery
	now := n.Now()
	var keys []string
	for _, s := range n.Sinks() {
		url, err := s.URL()
		if err != nil {
			n.Log.Error("read where messages go to", "sink", s.Name, "error", err)
			return pause // forgetting what was told would lose news
		}
		keys = append(keys, keyOf(url))
	}
	if err := n.know(keys); err != nil {
		n.Log.Error("store who is told", "error", err)
		return pause
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, s := range n.Sinks() {
		if i >= len(keys) {
			break // changed meanwhile; the next pass sees it
		}
		l := n.lines[keys[i]]
		if l == nil {
			l = &line{}
			n.lines[keys[i]] = l
		}
		switch wait := l.next.Sub(now); {
		case l.busy:
		case wait > 0:
			pause = min(pause, wait)
		default:
			l.busy = true
			n.group.Go(func() { n.drain(ctx, s, keys[i], l) })
		}
	}
	return pause
}

// know makes the database know exactly these sinks. A new one is told what
// happens from now on.
func (n *Notifier) know(keys []string) error {
	return n.Store.Update(func(tx *state.Tx) error {
		for _, key := range keys {
			if err := tx.PutTold(key, tx.Told(key)); err != nil {
				return err
			}
		}
		return tx.KeepSinks(sinkPrefix, keys)
	})
}

const sinkPrefix = "notify/"

// keyOf names a sink without its secret.
func keyOf(url string) string {
	sum := sha256.Sum256([]byte(url))
	return sinkPrefix + hex.EncodeToString(sum[:8])
}

// drain sends a sink all that it was not told yet.
func (n *Notifier) drain(ctx context.Context, s Sink, key string, l *line) {
	var err error
	for ctx.Err() == nil && err == nil {
		var more bool
		if more, err = n.tell(s, key); !more {
			break
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	l.busy = false
	if err == nil {
		l.failures, l.next = 0, time.Time{}
		return
	}
	pause := min(firstPause<<min(l.failures, 10), maxPause)
	l.failures++
	l.next = n.Now().Add(pause)
	n.Log.Warn("send a message", "sink", s.Name, "error", err, "again_in", pause)
	n.RunChanged(nil) // the next pass sets the timer
}

// tell sends a sink its next message, and reports whether there may be more.
func (n *Notifier) tell(s Sink, key string) (more bool, err error) {
	notice, run, err := n.next(key)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := n.send(s, notice, run); err != nil {
		return false, err
	}
	return true, n.Store.Update(func(tx *state.Tx) error { return tx.PutTold(key, notice.Number) })
}

// next returns what a sink was not told yet; no run where it is forgotten.
func (n *Notifier) next(key string) (notice *state.Notice, run *state.Run, err error) {
	err = n.Store.View(func(tx *state.Tx) error {
		if notice, err = tx.NextNotice(tx.Told(key)); err != nil {
			return err
		}
		run, err = tx.Run(notice.Run)
		if errors.Is(err, state.ErrNotFound) {
			return nil
		}
		return err
	})
	return notice, run, err
}

func (n *Notifier) send(s Sink, notice *state.Notice, run *state.Run) error {
	if run == nil {
		return nil
	}
	title, text, worth := Message(run, notice.Status, n.URL)
	if !worth {
		return nil
	}
	if age := n.Now().Sub(notice.At); age > staleAfter {
		n.Log.Error("a message could not be sent for a day and is given up", "sink", s.Name, "run", run.ID, "message", title)
		return nil
	}
	url, err := s.URL()
	if err != nil {
		return err
	}
	if err := n.Send(url, title, text); err != nil {
		return fmt.Errorf("%s", n.Mask(withoutSecrets(err.Error(), url)))
	}
	return nil
}
