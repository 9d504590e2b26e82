package config

import (
	"regexp"
	"time"
	_ "time/tzdata" // hosts and minimal images may have no zones of their own

	"github.com/goccy/go-yaml/ast"
)

// A Freeze is a part of each week in which pushes wait.
type Freeze struct {
	From, Until WeekTime
	Location    *time.Location
}

// A WeekTime is a minute of the week.
type WeekTime struct {
	Day          time.Weekday
	Hour, Minute int
}

const freezeHint = `write it as "Fri 17:00 - Mon 08:00 Europe/Paris"`

var freezeRule = regexp.MustCompile(`^(\w{3}) (\d\d:\d\d) - (\w{3}) (\d\d:\d\d) (\S+)$`)

func (f *Freeze) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.scalar(n, path)
	if !ok {
		return
	}
	parts := freezeRule.FindStringSubmatch(text)
	if parts == nil {
		d.fail(path, freezeHint, "%q is not a part of the week", text)
		return
	}
	from, okFrom := parseWeekTime(parts[1], parts[2])
	until, okUntil := parseWeekTime(parts[3], parts[4])
	location, err := time.LoadLocation(parts[5])
	switch {
	case !okFrom || !okUntil || from == until:
		d.fail(path, freezeHint, "%q is not a part of the week", text)
	case err != nil || parts[5] == "Local":
		d.fail(path, "write a zone such as Europe/Paris or UTC", "%q is not a time zone", parts[5])
	default:
		*f = Freeze{From: from, Until: until, Location: location}
	}
}

func parseWeekTime(name, clock string) (WeekTime, bool) {
	t, err := time.Parse("15:04", clock)
	if err != nil {
		return WeekTime{}, false
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if d.String()[:3] == name {
			return WeekTime{Day: d, Hour: t.Hour(), Minute: t.Minute()}, true
		}
	}
	return WeekTime{}, false
}
