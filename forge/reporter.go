package forge

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"deployer/state"
)

const (
	lookEvery  = time.Minute      // without a cause
	firstPause = 5 * time.Second  // before what could not be written is written again
	maxPause   = 10 * time.Minute // between two tries, where the forge does not ask for more
	staleAfter = 24 * time.Hour   // what could not be written by then is given up
	sinkPrefix = "forge/"
)

// ReporterOptions are what a Reporter works with.
type ReporterOptions struct {
	Store *state.Store
	// Clients are those of now, by repository of deployer.yaml.
	Clients func() map[string]Client
	// RepositoryOf names the repository of a stack, of runs that do not.
	RepositoryOf func(stack string) string
	URL          string              // of deployer's own page; empty: statuses have no link
	Mask         func(string) string // takes secrets out of a text
	Now          func() time.Time
	Log          *slog.Logger
}

// A Reporter writes what becomes of runs to the forge of their repository: a
// commit status for each, and the comment of a review. What it has written is
// on disk: a restart repeats at most the last. It never holds up a run. Its
// methods may be called from any goroutine.
type Reporter struct {
	ReporterOptions
	wake  chan struct{}
	group sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*line // by repository
	known []string         // repositories that the database knows as sinks; nil: not looked yet
}

// A line is the state of the way to one repository.
type line struct {
	busy     bool
	failures int
	next     time.Time // not before

	// Only the goroutine that is busy looks at these.
	last    Status // that was set
	refused string // hint of the last refusal, where nothing was taken since
}

// NewReporter makes a reporter.
func NewReporter(o ReporterOptions) *Reporter {
	return &Reporter{ReporterOptions: o, wake: make(chan struct{}, 1), lines: make(map[string]*line)}
}

// RunChanged wakes the reporter. It does not block.
func (r *Reporter) RunChanged(*state.Run) {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Serve writes until ctx ends, and returns when the request under way is over.
func (r *Reporter) Serve(ctx context.Context) {
	defer r.group.Wait()
	for {
		timer := time.NewTimer(r.pass(ctx))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-r.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// pass starts on every repository that may be written to, and returns when to
// come again.
func (r *Reporter) pass(ctx context.Context) (pause time.Duration) {
	pause = lookEvery
	clients := r.Clients()
	if err := r.know(clients); err != nil {
		r.Log.Error("store whose forge is told", "error", err)
		return pause
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.Now()
	for repository, client := range clients {
		l := r.lines[repository]
		if l == nil {
			l = &line{}
			r.lines[repository] = l
		}
		switch wait := l.next.Sub(now); {
		case l.busy:
		case wait > 0:
			pause = min(pause, wait)
		default:
			l.busy = true
			r.group.Go(func() { r.drain(ctx, repository, client, l) })
		}
	}
	return pause
}

// know makes the database know exactly these repositories. A new one is told
// what happens from now on.
func (r *Reporter) know(clients map[string]Client) error {
	keys := make([]string, 0, len(clients))
	for repository := range clients {
		keys = append(keys, sinkPrefix+repository)
	}
	slices.Sort(keys)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known != nil && slices.Equal(r.known, keys) {
		return nil
	}
	err := r.Store.Update(func(tx *state.Tx) error {
		for _, key := range keys {
			if err := tx.PutTold(key, tx.Told(key)); err != nil {
				return err
			}
		}
		return tx.KeepSinks(sinkPrefix, keys)
	})
	if err == nil {
		r.known = keys
	}
	return err
}

// drain writes all that a repository's forge was not told yet.
func (r *Reporter) drain(ctx context.Context, repository string, client Client, l *line) {
	var err error
	for ctx.Err() == nil && err == nil {
		var more bool
		if more, err = r.tell(ctx, repository, client, l); !more {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	l.busy = false
	if err == nil || ctx.Err() != nil {
		l.failures, l.next = 0, time.Time{}
		return
	}
	pause := min(firstPause<<min(l.failures, 10), maxPause)
	if later := (*Later)(nil); errors.As(err, &later) {
		pause = max(pause, later.After)
	}
	l.failures++
	l.next = r.Now().Add(pause)
	r.Log.Warn("write to the forge", "repository", repository, "error", r.Mask(err.Error()), "again_in", pause)
	r.RunChanged(nil) // the next pass sets the timer
}

// tell writes the next thing that there is to say, and reports whether there
// may be more.
func (r *Reporter) tell(ctx context.Context, repository string, client Client, l *line) (more bool, err error) {
	key := sinkPrefix + repository
	notice, run, err := r.next(key, repository)
	if err != nil || notice == nil {
		return false, err
	}
	if run != nil {
		if err := r.write(ctx, repository, client, notice, run, l); err != nil {
			return false, err
		}
	}
	return true, r.Store.Update(func(tx *state.Tx) error { return tx.PutTold(key, notice.Number) })
}

// next returns the first notice that says something to a repository's forge,
// or the last one, without a run, where none does. No notice: all is told.
func (r *Reporter) next(key, repository string) (notice *state.Notice, run *state.Run, err error) {
	err = r.Store.View(func(tx *state.Tx) error {
		for after := tx.Told(key); ; after = notice.Number {
			n, err := tx.NextNotice(after)
			if errors.Is(err, state.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			notice = n
			candidate, err := tx.Run(n.Run)
			if errors.Is(err, state.ErrNotFound) {
				continue // forgotten meanwhile
			}
			if err != nil {
				return err
			}
			if or(candidate.Forge, r.RepositoryOf(candidate.Stack)) == repository && !overtaken(n, candidate) {
				run = candidate
				return nil
			}
		}
	})
	return notice, run, err
}

// overtaken reports whether another notice, which tells how the run ended or
// for which commit it went on, follows this one.
func overtaken(n *state.Notice, run *state.Run) bool {
	if left(n, run) {
		return !n.Status.Terminal()
	}
	return run.Kind != state.KindReview && !n.Status.Terminal() && run.Status.Terminal()
}

// left reports whether the run went on to another commit than the one that a
// notice is of.
func left(n *state.Notice, run *state.Run) bool { return n.Commit != "" && n.Commit != run.Commit }

// write says what there is to say of a run. Only what is worth another try is
// an error.
func (r *Reporter) write(ctx context.Context, repository string, client Client, notice *state.Notice, run *state.Run, l *line) error {
	status, worth := statusOf(run, pageOf(r.URL, run))
	if !worth {
		return nil
	}
	if left(notice, run) {
		l.last = Status{}
		status.Commit = notice.Commit
		status.State, status.Description = leftFor(run)
		status.Description = r.Mask(status.Description)
		return r.judge(ctx, client.SetStatus(ctx, status), notice, run, l)
	}
	status.Description = r.Mask(status.Description)
	if status == l.last && run.Kind != state.KindReview {
		return nil // two notices that the run has gone past since
	}
	err := client.SetStatus(ctx, status)
	if run.Kind == state.KindReview && run.Status.Terminal() && speaks(run) && (err == nil || isRefusal(err)) {
		err = firstOf(r.comment(ctx, repository, client, notice, run), err)
	}
	if p, ok := client.(pullStatuses); ok && run.Kind == state.KindReview && run.Review != nil && (err == nil || isRefusal(err)) {
		err = firstOf(p.SetPullStatus(ctx, run.Review.Pull, status), err)
	}
	if d, ok := client.(deployments); ok && run.Kind != state.KindReview && (err == nil || isRefusal(err)) {
		err = firstOf(r.deployment(ctx, d, status, run), err)
	}
	l.last = Status{}
	if err == nil {
		l.last, l.refused = status, ""
	}
	return r.judge(ctx, err, notice, run, l)
}

// reportStep is the step of a run that says what the forge did not take.
const reportStep = "report to the forge"
