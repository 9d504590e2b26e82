package queue

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// A Queue takes deliveries, and what people ask for, and decides what may
// start. The database is the queue: what it holds after a crash is what runs.
// Its methods may be called from any goroutine.
type Queue struct {
	store     *state.Store
	runner    *pipeline.Runner
	setup     atomic.Pointer[setup]
	log       *slog.Logger
	now       func() time.Time
	observers []Observer

	intake  *intake
	monitor *monitor
	alarms  alarmTimes
	dogs    atomic.Pointer[[]*watchdog] // of the setup in force
	wake    chan struct{}
	pushed  chan struct{} // wakes only what starts runs

	folding sync.Mutex // held while folders become stacks

	mu      sync.Mutex
	running map[string]*running // by run id
	group   sync.WaitGroup
}

// An Observer is told of each change of a run's status, after it is on disk.
// It must not block.
type Observer interface {
	RunChanged(run *state.Run)
}

// running is a run that a goroutine works on.
type running struct {
	stack  *pipeline.Stack
	kind   state.RunKind
	stop   context.CancelCauseFunc // leaves it for the next start
	cancel context.CancelCauseFunc // ends it, or takes it back
}

// New makes a queue over the stacks; at most workers runs go at a time.
func New(store *state.Store, runner *pipeline.Runner, stacks []*pipeline.Stack, workers int, log *slog.Logger, observers ...Observer) *Queue {
	q := &Queue{
		store: store, runner: runner, log: log, now: runner.Now, observers: observers,
		intake: newIntake(), monitor: newMonitor(), alarms: defaultAlarmTimes(), wake: make(chan struct{}, 1), pushed: make(chan struct{}, 1), running: make(map[string]*running),
	}
	q.setup.Store(newSetup(stacks, workers))
	return q
}

// following returns the stacks that deployer.yaml names and that are deployed
// from a ref, by name. Those in a template's folders a look at the branch finds.
func (q *Queue) following(repository, ref string) []*pipeline.Stack {
	var out []*pipeline.Stack
	for _, s := range q.stacks() {
		if s.Template == "" && s.Repository == repository && s.Ref() == ref {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *pipeline.Stack) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// enqueue stores a new run and supersedes those whose place it takes, which
// it adds to the given ones.
func (q *Queue) enqueue(tx *state.Tx, run *state.Run, superseded *[]*state.Run) error {
	active, err := tx.ActiveRuns()
	if err != nil {
		return err
	}
	for _, other := range supersede(run, active, q.now().UTC()) {
		if err := putTelling(tx, other, q.now()); err != nil {
			return err
		}
		*superseded = append(*superseded, other)
	}
	if run.Kind == state.KindReview { // it is its pull request's newest now
		last := state.Proposal{Pull: run.Review.Pull, Run: run.ID}
		if err := tx.ChangeStack(run.Stack, func(s *state.Stack) {
			if known := s.Withdraw(last.Pull); known != nil {
				last.Plan = known.Run
			}
			s.Propose(last)
		}); err != nil {
			return err
		}
	}
	return putTelling(tx, run, q.now())
}

// putTelling stores a run that waits, or ends without having begun, and has
// its forge told of it. A run without one costs nothing more.
func putTelling(tx *state.Tx, run *state.Run, at time.Time) error {
	if run.Forge != "" {
		if err := tx.AddNotice(run, at.UTC()); err != nil {
			return err
		}
	}
	return tx.PutRun(run)
}

// supersede ends the runs whose place a new one takes, and returns them.
func supersede(next *state.Run, active []*state.Run, at time.Time) (ended []*state.Run) {
	for _, r := range active {
		if r.Stack == next.Stack && supersedes(next, r) {
			r.Status, r.SupersededBy, r.FinishedAt, r.WaitingFor = state.RunSuperseded, next.ID, &at, ""
			ended = append(ended, r)
		}
	}
	return ended
}

// changed tells observers of new runs and the dispatcher that there is work.
func (q *Queue) changed(runs ...*state.Run) {
	for _, r := range runs {
		q.notify(r)
	}
	q.Wake()
}

// Wake makes the dispatcher look at what waits.
func (q *Queue) Wake() { signal(q.wake) }
