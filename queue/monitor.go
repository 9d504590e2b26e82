package queue

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

const (
	monitorIdle  = time.Hour        // between two looks at a stack that has no monitor; the end of a run comes earlier
	monitorAgain = 30 * time.Second // after a look that could not be made
)

// A monitor holds what the checks said of the live releases when they last
// looked. Its methods may be called from any goroutine.
type monitor struct {
	mu     sync.Mutex
	latest map[string][]state.Reading // by stack
	wakes  map[string]chan struct{}   // by stack; a run of it has ended
}

func newMonitor() *monitor {
	return &monitor{latest: make(map[string][]state.Reading), wakes: make(map[string]chan struct{})}
}

func (m *monitor) wakeOf(stack string) chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.wakes[stack] == nil {
		m.wakes[stack] = make(chan struct{}, 1)
	}
	return m.wakes[stack]
}

func (m *monitor) wake(stack string) {
	select {
	case m.wakeOf(stack) <- struct{}{}:
	default:
	}
}

func (m *monitor) put(stack string, readings []state.Reading) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.latest[stack] = readings
}

// Readings returns what the monitor of a stack last read, in the order of
// pipeline.yaml; nothing before its first look. Releases to go back to that
// could not be run again come first, as the Engine says now, and then the
// containers that are down.
func (q *Queue) Readings(stack string) []state.Reading {
	var first []state.Reading
	if s, ok := q.stacks()[stack]; ok {
		if known, err := q.known(stack); err == nil {
			first, _ = q.waysBack(context.Background(), s, known)
			_, _ = compareReadings(known.Readings, first)
			for _, alarm := range known.Alarms {
				alarm.At = q.now().UTC() // it is watched all the while
				first = append(first, alarm)
			}
		}
	}
	q.monitor.mu.Lock()
	defer q.monitor.mu.Unlock()
	return append(first, slices.DeleteFunc(slices.Clone(q.monitor.latest[stack]), isWayBack)...)
}

// watch looks at the live releases on their schedules. The channel is closed
// when it has stopped.
func (q *Queue) watch(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			q.eachStack(ctx, q.setup.Load(), q.watchStack)
		}
	}()
	return done
}

// watchStack looks at one stack's live release until ctx ends.
func (q *Queue) watchStack(ctx context.Context, stack *pipeline.Stack) {
	var last look
	wake := q.monitor.wakeOf(stack.Name)
	for {
		pause := q.lookAgain(ctx, stack, &last)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-wake:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// A look is one reading of all checks of a live release.
type look struct {
	release string
	live    time.Time // since when the release is live
	at      time.Time
}

// lookAgain looks where it is time to, and returns when to come again.
func (q *Queue) lookAgain(ctx context.Context, stack *pipeline.Stack, last *look) (pause time.Duration) {
	known, err := q.known(stack.Name)
	if err != nil || known.Live == nil {
		return monitorIdle
	}
	live, err := q.runner.Open(stack, known.Live)
	if err != nil {
		q.log.Warn("monitor: open the live release", "stack", stack.Name, "error", err)
		return monitorIdle
	}
	every := monitorIdle
	if live.File.Monitor != nil {
		every = time.Duration(live.File.Monitor.Every)
	}
	if last.release == known.Live.ID && last.live.Equal(known.Live.At) {
		if left := every - q.now().Sub(last.at); left > 0 {
			return left
		}
	}
	if q.isBusy(stack) {
		return monitorAgain // its end wakes earlier
	}
	next := look{release: known.Live.ID, live: known.Live.At, at: q.now()}
	if err := q.look(ctx, stack, known, live); err != nil {
		if ctx.Err() == nil && !errors.Is(err, errOvertaken) {
			q.log.Warn("monitor", "stack", stack.Name, "error", err)
		}
		return monitorAgain
	}
	*last = next
	return every
}

func (q *Queue) known(stack string) (known *state.Stack, err error) {
	err = q.store.View(func(tx *state.Tx) error {
		known, err = tx.Stack(stack)
		return err
	})
	return known, err
}

func (q *Queue) isBusy(stack *pipeline.Stack) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.busy(stack, nil)
}

// errOvertaken says that a run has begun while the checks looked: what they
// saw counts for nothing.
var errOvertaken = errors.New("a run has begun meanwhile")

// look asks all checks of the live release, and whether those to go back to
// could be, and keeps what that says. What is news becomes a run.
func (q *Queue) look(ctx context.Context, stack *pipeline.Stack, known *state.Stack, live *pipeline.KeptRelease) error {
	run, readings, log, err := q.runner.Look(ctx, stack, known, live)
	if err != nil {
		return err
	}
	return q.keepReadings(known, run, q.lookBack(ctx, stack, known, run, readings), log)
}
