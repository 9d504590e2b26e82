package queue

import (
	"context"
	"sync"
	"time"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// alarmTimes say when what happens to a container is news.
type alarmTimes struct {
	grace    time.Duration // it is down or unhealthy for this long
	well     time.Duration // it runs for this long, where no health check says more
	restarts int           // by its restart policy …
	within   time.Duration // … in this time
	pause    time.Duration // before an Engine that was lost is asked again; it grows
}

const (
	maxEnginePause = time.Minute
	watchLimit     = time.Minute // of one question to an Engine, which may hang
)

func defaultAlarmTimes() alarmTimes {
	return alarmTimes{grace: 30 * time.Second, well: 10 * time.Second, restarts: 3, within: 5 * time.Minute, pause: time.Second}
}

// A watchdog watches what is live on one Engine, by the Engine's own events:
// each says that a project is to be looked at, not what has happened, so that
// no order of events and no lost one can mislead. While nothing happens it
// asks nothing.
type watchdog struct {
	*Queue
	target   pipeline.WatchedTarget
	projects map[string][]*pipeline.Stack
	watches  map[string]*vigil // by stack

	mu    sync.Mutex
	heard map[string]bool       // projects that are to be looked at
	ended map[string]*state.Run // by stack: its run that has ended since the last look
	bell  chan struct{}
}

// watchEngines watches the containers of the live releases. The channel is
// closed when it has stopped.
func (q *Queue) watchEngines(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			s := q.setup.Load()
			dogs := q.watchdogs(s)
			q.dogs.Store(&dogs)
			watching, stop := context.WithCancel(ctx)
			var group sync.WaitGroup
			for _, w := range dogs {
				group.Go(func() { w.serve(watching) })
			}
			select {
			case <-ctx.Done():
			case <-s.replaced:
			}
			stop()
			group.Wait()
		}
	}()
	return done
}

// watchdogs makes one for each target of a setup that can be watched.
func (q *Queue) watchdogs(s *setup) []*watchdog {
	var dogs []*watchdog
	of := map[pipeline.WatchedTarget]*watchdog{}
	for _, stack := range s.stacks {
		target, ok := stack.Target.(pipeline.WatchedTarget)
		if !ok {
			continue
		}
		w := of[target]
		if w == nil {
			w = &watchdog{
				Queue: q, target: target, projects: map[string][]*pipeline.Stack{}, watches: map[string]*vigil{},
				heard: map[string]bool{}, ended: map[string]*state.Run{}, bell: make(chan struct{}, 1),
			}
			of[target], dogs = w, append(dogs, w)
		}
		w.projects[stack.Project] = append(w.projects[stack.Project], stack)
		w.watches[stack.Name] = newVigil()
	}
	return dogs
}

// runEnded has the containers of a stack looked at after a run of it.
func (q *Queue) runEnded(stack *pipeline.Stack, run *state.Run) {
	dogs := q.dogs.Load()
	if dogs == nil || run.Kind == state.KindReview {
		return
	}
	for _, w := range *dogs {
		if w.target == stack.Target {
			w.mu.Lock()
			w.ended[stack.Name] = run
			w.mu.Unlock()
			w.hear(stack.Project)
		}
	}
}

// hear notes that a project is to be looked at. It does not block.
func (w *watchdog) hear(projectName string) {
	if len(w.projects[projectName]) == 0 {
		return // nothing of deployer's
	}
	w.mu.Lock()
	w.heard[projectName] = true
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// serve watches until ctx ends, whatever becomes of the Engine.
func (w *watchdog) serve(ctx context.Context) {
	pause, told := w.alarms.pause, false
	for {
		begun := w.now()
		err := w.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if w.now().Sub(begun) > maxEnginePause {
			pause, told = w.alarms.pause, false
		}
		if !told { // an outage that lasts a night is one line
			w.log.Warn("the containers cannot be watched; it is tried again", "error", err, "hint", pipeline.Hint(err))
			told = true
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, maxEnginePause)
	}
}

// listen looks at what may be amiss and then at what something happens to,
// until ctx ends or the Engine is lost.
func (w *watchdog) listen(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	subscribed, lost := make(chan struct{}), make(chan error, 1)
	go func() {
		defer close(lost)
		lost <- w.target.Events(ctx, sync.OnceFunc(func() { close(subscribed) }), w.hear)
	}()
	defer func() {
		stop()
		for range lost { // until it has ended
		}
	}()
	select {
	case err := <-lost:
		return err
	case <-subscribed:
	}
	if err := w.catchUp(ctx); err != nil {
		return err
	}
	for {
		next, err := w.pass(ctx)
		if err != nil {
			return err
		}
		if err := w.await(lost, next); err != nil {
			return err
		}
	}
}

// await returns when something is to be looked at; an error is the loss of the Engine.
func (w *watchdog) await(lost <-chan error, next time.Time) error {
	var due <-chan time.Time // never, where nothing is expected
	if !next.IsZero() {
		timer := time.NewTimer(next.Sub(w.now()))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case err := <-lost:
		return err
	case <-w.bell:
	case <-due:
	}
	return nil
}

// catchUp finds, by one list, the projects that may not be as they should.
func (w *watchdog) catchUp(ctx context.Context) error {
	asking, done := context.WithTimeout(ctx, watchLimit)
	defer done()
	have, err := w.target.Projects(asking)
	if err != nil {
		return err
	}
	for name, stacks := range w.projects {
		for _, stack := range stacks {
			known, err := w.known(stack.Name)
			if err != nil {
				return err
			}
			if known.Live == nil {
				continue
			}
			v := w.watches[stack.Name]
			if len(known.Alarms) > 0 || !plain(have[name], w.wants(stack, known.Live, v)) {
				w.hear(name)
				continue
			}
			for _, c := range have[name] {
				v.sees(c, false)
			}
		}
	}
	return nil
}

// plain reports whether every service has its containers and all of them run.
func plain(have []project.Container, services map[string]want) bool {
	found := map[string]int{}
	for _, c := range have {
		if c.State != "running" || c.Health == "unhealthy" {
			return false
		}
		found[c.Service]++
	}
	for name, want := range services {
		if found[name] < want.replicas {
			return false
		}
	}
	return services != nil
}

// pass looks at the projects that are due and returns when the next one is;
// the zero time where nothing is expected.
func (w *watchdog) pass(ctx context.Context) (next time.Time, err error) {
	w.mu.Lock()
	heard, ended := w.heard, w.ended
	w.heard, w.ended = map[string]bool{}, map[string]*state.Run{}
	w.mu.Unlock()
	for stack, run := range ended { // of all, before a look may fail
		if v := w.watches[stack]; v != nil {
			v.begin(run)
		}
	}
	for name, stacks := range w.projects {
		for _, stack := range stacks {
			v := w.watches[stack.Name]
			if due := !v.due.IsZero() && !v.due.After(w.now()); !due && !heard[name] {
				next = earlier(next, v.due)
				continue
			}
			if v.due, err = w.look(ctx, stack, v); err != nil {
				w.hear(name)
				return time.Time{}, err
			}
			next = earlier(next, v.due)
		}
	}
	return next, nil
}

// earlier is the first of two times that are set.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
