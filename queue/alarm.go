package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// look looks at the containers of one stack, tells what is news, and returns
// when to come again without a cause; the zero time for never. An error is the
// loss of the Engine.
func (w *watchdog) look(ctx context.Context, stack *pipeline.Stack, v *vigil) (again time.Time, err error) {
	known, quiet, err := w.quiet(stack)
	if err == nil && (known.Live == nil || w.holderBesides(stack, known) != "") {
		*v = *newVigil()
		if err = w.forgetAlarms(known); err == nil {
			return time.Time{}, nil
		}
	}
	if err != nil {
		w.log.Warn("look at the containers", "stack", stack.Name, "error", err)
	}
	if err != nil || quiet {
		return w.soon(), nil // the end of a run comes earlier
	}
	have, err := w.conditions(ctx, stack.Project)
	if errors.Is(err, project.ErrEngineUnreachable) {
		return time.Time{}, err
	}
	if err != nil {
		w.log.Warn("look at the containers", "stack", stack.Name, "error", err)
	}
	if err != nil || w.isBusy(stack) { // what was seen counts for nothing
		return w.soon(), nil
	}
	s := w.judge(stack, known, v, have)
	if err := w.keepLeft(known, s); err != nil {
		w.log.Warn("keep what a failed run has left down", "stack", stack.Name, "error", err)
	}
	if len(s.raised)+len(s.over) == 0 {
		return s.again, nil
	}
	if err := w.tell(ctx, stack, known, s); err != nil {
		if ctx.Err() == nil && !errors.Is(err, errOvertaken) {
			w.log.Warn("tell that a container is down", "stack", stack.Name, "error", err)
		}
		return w.soon(), nil
	}
	return s.again, nil
}

func (w *watchdog) conditions(ctx context.Context, projectName string) ([]project.Condition, error) {
	ctx, done := context.WithTimeout(ctx, watchLimit)
	defer done()
	return w.target.Conditions(ctx, projectName)
}

// soon is when what could not be seen now is looked at again. It is not left
// for long: meanwhile nothing is known, and the look costs little.
func (w *watchdog) soon() time.Time { return w.now().Add(w.alarms.grace / 10) }

// quiet reports whether nothing is told of a stack now: a run of it is under
// way, or deployer has stopped something of it for a moment.
func (w *watchdog) quiet(stack *pipeline.Stack) (known *state.Stack, quiet bool, err error) {
	err = w.store.View(func(tx *state.Tx) error {
		if known, err = tx.Stack(stack.Name); err != nil {
			return err
		}
		held, err := tx.Holds()
		quiet = known.Stopped != nil || w.startedSince(tx, &state.Run{Stack: stack.Name}) ||
			slices.ContainsFunc(held, func(h *state.Hold) bool { return h.Stack == stack.Name })
		return err
	})
	return known, quiet || w.isBusy(stack), err
}

// forgetAlarms ends the alarms of a stack that nothing is live of.
func (w *watchdog) forgetAlarms(known *state.Stack) error {
	if len(known.Alarms) == 0 {
		return nil
	}
	return w.store.Update(func(tx *state.Tx) error {
		return tx.ChangeStack(known.Name, func(s *state.Stack) { s.Alarms = nil })
	})
}

// A sight is what one look at a stack's containers says.
type sight struct {
	raised []pipeline.Trouble // that people are to be told of
	over   []state.Reading    // alarms that are over; the message says how
	left   *state.Left        // what a failed run has left down, and still is
	again  time.Time
}

// judge compares how the containers are with what people were told.
func (w *watchdog) judge(stack *pipeline.Stack, known *state.Stack, v *vigil, have []project.Condition) (s sight) {
	now := w.now()
	troubles := w.troubles(stack, known, v, have)
	v.keep(troubles, have)
	s.left = leftOf(known.Left, troubles)
	var ripe, soon []pipeline.Trouble
	for _, t := range troubles {
		if alarmOf(known, t.Name) != nil || s.left != nil && slices.Contains(s.left.Units, t.Name) {
			continue
		}
		switch waited := now.Sub(v.waits(t.Name, now)); {
		case waited >= w.alarms.grace || pipeline.IsLoop(t.Key):
			ripe = append(ripe, t)
		case waited >= w.alarms.grace/2:
			soon = append(soon, t)
			fallthrough
		default:
			// Sooner than its end: a busy Engine may tell late that it restarts.
			s.again = earlier(s.again, now.Add(min(w.alarms.grace-waited, w.alarms.grace/10)))
		}
	}
	if slices.ContainsFunc(have, func(c project.Condition) bool { return c.Silent }) {
		s.again = earlier(s.again, now.Add(w.alarms.grace)) // no event says that the Engine answers again
	}
	if s.raised = ripe; len(ripe) > 0 {
		s.raised = append(ripe, soon...) // one message of what goes down together
	}
	w.judgeAlarms(known, troubles, have, &s)
	return s
}

// judgeAlarms finds the alarms that are over.
func (w *watchdog) judgeAlarms(known *state.Stack, troubles []pipeline.Trouble, have []project.Condition, s *sight) {
	now, wait := w.now(), false
	for _, alarm := range known.Alarms {
		at, how := w.wellAt(alarm, troubles, have)
		switch {
		case how == "":
		case at.After(now):
			s.again = earlier(s.again, at)
			wait = wait || at.Sub(now) < w.alarms.well/2
		default:
			alarm.Message = how
			s.over = append(s.over, alarm)
		}
	}
	if wait { // one message of what comes up together
		s.over = nil
	}
}

func alarmOf(known *state.Stack, unit string) *state.Reading {
	at := slices.IndexFunc(known.Alarms, func(r state.Reading) bool { return pipeline.UnitOfKey(r.Key) == unit })
	if at < 0 {
		return nil
	}
	return &known.Alarms[at]
}

// troubles returns what is the matter with the containers of a live release.
func (w *watchdog) troubles(stack *pipeline.Stack, known *state.Stack, v *vigil, have []project.Condition) (out []pipeline.Trouble) {
	now := w.now()
	for _, c := range have {
		t, down := pipeline.TroubleOf(stack.Name, c)
		if n, since := v.restarts(c, now, w.alarms.within); n >= w.alarms.restarts {
			t, down = pipeline.LoopOf(stack.Name, c, n, since, now.Sub(since)), true
		}
		// The Engine forgets who stopped what.
		if told := alarmOf(known, t.Name); told != nil && c.State == "exited" && !c.FinishedAt.After(told.Since) {
			down = true
		}
		if down {
			out = append(out, t)
		}
		v.sees(c.Container, !down && c.State != "running")
	}
	return append(out, w.missing(stack, known, v, have)...)
}

// wellAt returns when an alarm is over if nothing happens until then, the zero
// time for now, and how; nothing where that cannot be said yet.
func (w *watchdog) wellAt(alarm state.Reading, troubles []pipeline.Trouble, have []project.Condition) (at time.Time, how string) {
	unit := pipeline.UnitOfKey(alarm.Key)
	if slices.ContainsFunc(troubles, func(t pipeline.Trouble) bool { return t.Name == unit }) {
		return at, ""
	}
	i := slices.IndexFunc(have, func(c project.Condition) bool { return pipeline.UnitOf(c.Container) == unit })
	if i < 0 {
		return at, "has no container any more"
	}
	c := have[i]
	how = fmt.Sprintf("is well again, after %s", max(w.now().Sub(alarm.Since).Round(time.Second), time.Second))
	switch {
	case c.State != "running":
		return at, how
	case c.Health == "starting":
		return at, ""
	case pipeline.IsLoop(alarm.Key) && c.Restarts > 0:
		return c.StartedAt.Add(w.alarms.within), how
	case c.Health == "healthy":
		return at, how
	}
	return c.StartedAt.Add(w.alarms.well), how
}

// tell stores what is news as a run, with its notice, and what is the matter
// with the stack.
func (w *watchdog) tell(ctx context.Context, stack *pipeline.Stack, known *state.Stack, s sight) error {
	run, readings, log, err := w.runner.Alarm(ctx, stack, known, s.raised, s.over)
	if err != nil {
		return err
	}
	var news []string
	for _, t := range s.raised {
		news = append(news, t.Name+" "+t.What)
	}
	for _, was := range s.over {
		news = append(news, was.Check+" "+was.Message)
	}
	at := w.now().UTC()
	concludeMonitor(run, news, at)
	err = w.store.Update(func(tx *state.Tx) error {
		now, err := tx.Stack(stack.Name)
		if err != nil {
			return err
		}
		if now.Live == nil || now.Live.ID != run.Release || !now.Live.At.Equal(known.Live.At) || w.startedSince(tx, run) {
			return errOvertaken
		}
		for _, was := range s.over {
			if alarmOf(now, pipeline.UnitOfKey(was.Key)) == nil {
				return errOvertaken // by a run that has told it
			}
		}
		run.Repeats = toldByMonitor(tx, now, s)
		for i := range readings {
			readings[i].Run = cmp.Or(run.Repeats, run.ID)
		}
		now.Alarms = append(slices.DeleteFunc(now.Alarms, func(r state.Reading) bool {
			return slices.ContainsFunc(s.over, func(was state.Reading) bool { return was.Key == r.Key })
		}), readings...)
		return errors.Join(tx.PutStack(now), tx.PutRun(run), tx.AppendLog(run.ID, 0, log), tx.CompactLog(run.ID), tx.AddNotice(run, at))
	})
	if err == nil {
		w.notify(run)
	}
	return err
}
