package pipeline

import "time"

// A Freeze is a part of each week, on a place's own clock, in which pushes wait.
type Freeze struct {
	From, Until WeekTime
	Location    *time.Location
}

// A WeekTime is a minute of the week.
type WeekTime struct {
	Day          time.Weekday
	Hour, Minute int
}

// end returns when the freeze that holds at t ends; false where t is outside
// of it. Days are counted on the calendar of the place, so that a change of
// the clocks within the freeze moves neither of its ends.
func (f Freeze) end(t time.Time) (time.Time, bool) {
	local := t.In(f.Location)
	start := f.on(local, -daysBetween(f.From.Day, local.Weekday()), f.From)
	if start.After(t) {
		start = f.on(local, -daysBetween(f.From.Day, local.Weekday())-7, f.From)
	}
	days := daysBetween(f.From.Day, f.Until.Day)
	if days == 0 && f.Until.minutes() <= f.From.minutes() {
		days = 7
	}
	end := f.on(start, days, f.Until)
	return end, t.Before(end)
}

func (f Freeze) on(base time.Time, days int, at WeekTime) time.Time {
	return time.Date(base.Year(), base.Month(), base.Day()+days, at.Hour, at.Minute, 0, 0, f.Location)
}

func (w WeekTime) minutes() int { return w.Hour*60 + w.Minute }

func daysBetween(from, to time.Weekday) int { return (int(to) - int(from) + 7) % 7 }

// FrozenUntil returns when pushes may go on, through freezes that overlap or
// follow on each other; false where none holds at t. A stack that is frozen
// all week stays so: the returned time is then a week ahead.
func FrozenUntil(freezes []Freeze, t time.Time) (time.Time, bool) {
	until, frozen := t, false
	for again := true; again && until.Sub(t) < 7*24*time.Hour; {
		again = false
		for _, f := range freezes {
			if end, in := f.end(until); in {
				until, frozen, again = end, true, true
			}
		}
	}
	return until, frozen
}
