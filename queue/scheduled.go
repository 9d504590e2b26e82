package queue

import (
	"fmt"
	"time"

	"deployer/pipeline"
	"deployer/state"
)

// scheduleBackups queues the backups that are due, and returns when the next
// one is, at most a given time from now. One whose time passed while deployer
// was down is made up for once.
func (q *Queue) scheduleBackups(atMost time.Duration) (time.Duration, error) {
	wait := atMost
	var queued []*state.Run
	err := q.store.Update(func(tx *state.Tx) error {
		wait, queued = atMost, nil
		for _, stack := range q.stacks() {
			run, next, err := q.scheduleBackup(tx, stack)
			if err != nil {
				return fmt.Errorf("stack %s: %w", stack.Name, err)
			}
			if run != nil {
				queued = append(queued, run)
			}
			if !next.IsZero() {
				wait = min(wait, max(0, next.Sub(q.now())))
			}
		}
		return nil
	})
	if err != nil {
		return atMost, err
	}
	for _, run := range queued {
		q.notify(run)
	}
	return wait, nil
}

func (q *Queue) scheduleBackup(tx *state.Tx, stack *pipeline.Stack) (run *state.Run, next time.Time, err error) {
	known, err := tx.Stack(stack.Name)
	if err != nil || known.Schedule == nil || known.Live == nil {
		return nil, time.Time{}, err
	}
	s, err := pipeline.ParseSchedule(known.Schedule.Spec)
	if err != nil { // it was read when the release was deployed: the time zone is gone
		q.log.Error("schedule of backups", "stack", stack.Name, "error", err)
		return nil, time.Time{}, nil
	}
	now := q.now().UTC()
	if known.Schedule.Last.After(now) { // the clock was set back
		known.Schedule.Last = now
		if err := tx.PutStack(known); err != nil {
			return nil, time.Time{}, err
		}
	}
	due := s.Next(known.Schedule.Last)
	if due.IsZero() || due.After(now) {
		return nil, due, nil
	}
	known.Schedule.Last = now
	if err := tx.PutStack(known); err != nil {
		return nil, time.Time{}, err
	}
	active, err := tx.ActiveRuns()
	if err != nil {
		return nil, time.Time{}, err
	}
	for _, other := range active {
		if other.Stack == stack.Name && other.Kind == state.KindBackup {
			q.log.Warn("a backup is due while the one before it is not over; it is left out", "stack", stack.Name, "run", other.ID)
			return nil, s.Next(now), nil
		}
	}
	run = q.newRun(stack, state.KindBackup, state.Trigger{Kind: state.TriggerSchedule, Reason: known.Schedule.Spec}, state.RunTarget{})
	return run, s.Next(now), tx.PutRun(run)
}
