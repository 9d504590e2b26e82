package queue

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/state"
)

// keepReadings compares readings with those before them. Where one says
// something else, the run is stored and told of.
func (q *Queue) keepReadings(before *state.Stack, run *state.Run, readings []state.Reading, log []byte) error {
	news, changed := compareReadings(before.Readings, readings)
	if len(news) > 0 || len(before.Readings) != len(readings) {
		err := q.store.Update(func(tx *state.Tx) error {
			known, err := tx.Stack(run.Stack)
			if err != nil {
				return err
			}
			if known.Live == nil || known.Live.ID != run.Release || !known.Live.At.Equal(before.Live.At) || q.startedSince(tx, run) {
				return errOvertaken
			}
			run.Repeats = toldByAlarm(tx, known, changed)
			for _, r := range changed {
				r.now.Run = cmp.Or(run.Repeats, run.ID)
			}
			known.Readings = readings
			if err := tx.PutStack(known); err != nil || len(news) == 0 {
				return err
			}
			at := q.now().UTC()
			concludeMonitor(run, news, at)
			return errors.Join(tx.PutRun(run), tx.AppendLog(run.ID, 0, log), tx.CompactLog(run.ID), tx.AddNotice(run, at))
		})
		if err != nil {
			return err
		}
	}
	q.monitor.put(run.Stack, readings)
	if len(news) > 0 {
		q.notify(run)
	}
	return nil
}

// startedSince reports whether a run of the stack works on it now.
func (q *Queue) startedSince(tx *state.Tx, run *state.Run) bool {
	active, err := tx.ActiveRuns()
	return err != nil || slices.ContainsFunc(active, func(r *state.Run) bool {
		return r.Stack == run.Stack && r.Status == state.RunRunning
	})
}

// A change is a reading that is news.
type change struct {
	was *state.Reading // nil: none
	now *state.Reading
}

// compareReadings returns the readings that are news, with a sentence for
// each, and takes over since when the others say what they say.
func compareReadings(before, now []state.Reading) (news []string, changed []change) {
	for i := range now {
		r := &now[i]
		at := slices.IndexFunc(before, func(old state.Reading) bool { return old.Key == r.Key })
		switch {
		case at >= 0 && before[at].Status == r.Status:
			r.Since, r.Run = before[at].Since, before[at].Run
		case at >= 0:
			changed = append(changed, change{&before[at], r})
			news = append(news, fmt.Sprintf("%s: %s, was %s", r.Check, r.Status, before[at].Status))
		case r.Status == state.StepFailed || r.Status == state.StepWarned:
			changed = append(changed, change{nil, r})
			news = append(news, fmt.Sprintf("%s: %s", r.Check, r.Status))
		}
	}
	return news, changed
}

// concludeMonitor says how the live release stands.
func concludeMonitor(run *state.Run, news []string, at time.Time) {
	run.FinishedAt, run.Status = &at, state.RunSucceeded
	run.Trigger.Reason = strings.Join(news, "; ")
	stage := &run.Stages[0]
	stage.FinishedAt, stage.Status = &at, state.StagePassed
	var errs []string
	for _, step := range stage.Steps {
		if step.Status != state.StepFailed {
			continue
		}
		run.Status, stage.Status = state.RunFailed, state.StageFailed
		line, _, _ := strings.Cut(step.Message, "\n")
		errs = append(errs, step.Name+": "+line)
		if run.Hint == "" {
			run.Hint = step.Hint
		}
	}
	run.Error = strings.Join(errs, "; ")
}
