package pipeline

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // hosts and minimal images may have no zones of their own

	"github.com/robfig/cron/v3"

	"deployer/state"
)

// A schedule is when something is due, by the clock on the wall of a time zone.
type schedule struct {
	wall     *cron.SpecSchedule // evaluated as if the wall's clock were UTC
	location *time.Location
}

var cronFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// parseSchedule reads five fields of cron, and a time zone behind them where
// it is not UTC: "0 3 * * * Europe/Paris".
func parseSchedule(text string) (*schedule, error) {
	fields := strings.Fields(text)
	zone := "UTC"
	switch {
	case len(fields) == 6 && strings.HasPrefix(fields[0], "CRON_TZ="):
		zone, fields = strings.TrimPrefix(fields[0], "CRON_TZ="), fields[1:]
	case len(fields) == 6:
		zone, fields = fields[5], fields[:5]
	}
	if len(fields) != 5 || strings.Contains(fields[0], "=") {
		return nil, fmt.Errorf("%q has not five fields: write it like \"0 3 * * *\", or \"0 3 * * * Europe/Paris\"", text)
	}
	location, err := time.LoadLocation(zone)
	if err != nil || zone == "Local" {
		return nil, fmt.Errorf("%q: %q is no time zone: write it like Europe/Paris", text, zone)
	}
	parsed, err := cronFields.Parse(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", text, err)
	}
	wall, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return nil, fmt.Errorf("%q is no schedule of five fields", text)
	}
	wall.Location = time.UTC
	s := &schedule{wall, location}
	if s.next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%q never comes", text)
	}
	return s, nil
}

// next is when it is due after a time; zero for never. The clock on the wall
// decides: what falls into an hour that the clock skips is due as far behind
// its beginning as it is in it, and what comes in one that the clock repeats is
// due once.
func (s *schedule) next(after time.Time) time.Time {
	local := after.In(s.location)
	at := time.Date(local.Year(), local.Month(), local.Day(), local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC)
	for {
		at = s.wall.Next(at)
		if at.IsZero() {
			return at
		}
		due := time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, s.location)
		if due.After(after) {
			return due
		}
	}
}

// noteSchedule keeps when the release that runs now wants backups.
func (x *Execution) noteSchedule(s *state.Stack, at time.Time) {
	spec := ""
	if x.File != nil && x.File.Backup != nil {
		spec = x.File.Backup.Schedule
	}
	switch {
	case spec == "":
		s.Schedule = nil
	case s.Schedule == nil || s.Schedule.Spec != spec:
		s.Schedule = &state.Schedule{Spec: spec, Last: at}
	}
}

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

func (q *Queue) scheduleBackup(tx *state.Tx, stack *Stack) (run *state.Run, next time.Time, err error) {
	known, err := tx.Stack(stack.Name)
	if err != nil || known.Schedule == nil || known.Live == nil {
		return nil, time.Time{}, err
	}
	s, err := parseSchedule(known.Schedule.Spec)
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
	due := s.next(known.Schedule.Last)
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
			return nil, s.next(now), nil
		}
	}
	run = q.newRun(stack, state.KindBackup, state.Trigger{Kind: state.TriggerSchedule, Reason: known.Schedule.Spec}, state.RunTarget{})
	return run, s.next(now), tx.PutRun(run)
}
