package pipeline

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // hosts and minimal images may have no zones of their own

	"github.com/robfig/cron/v3"

	"deployer/state"
)

// A Schedule is when something is due, by the clock on the wall of a time zone.
type Schedule struct {
	wall     *cron.SpecSchedule // evaluated as if the wall's clock were UTC
	location *time.Location
}

var cronFields = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

// ParseSchedule reads five fields of cron, and a time zone behind them where
// it is not UTC: "0 3 * * * Europe/Paris".
func ParseSchedule(text string) (*Schedule, error) {
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
	s := &Schedule{wall, location}
	if s.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("%q never comes", text)
	}
	return s, nil
}

// Next is when it is due after a time; zero for never. The clock on the wall
// decides: what falls into an hour that the clock skips is due as far behind
// its beginning as it is in it, and what comes in one that the clock repeats is
// due once.
func (s *Schedule) Next(after time.Time) time.Time {
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
