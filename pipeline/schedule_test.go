package pipeline

import (
	"strings"
	"testing"
	"time"
)

func TestSchedulesGoByTheClockOnTheWall(t *testing.T) {
	for _, tt := range []struct {
		spec, after string
		want        []string
	}{
		{"0 3 * * *", "2026-06-01T02:59:59Z", []string{"2026-06-01T03:00:00Z", "2026-06-02T03:00:00Z"}},
		{"0 3 * * * Europe/Paris", "2026-06-01T00:00:00Z", []string{"2026-06-01T01:00:00Z", "2026-06-02T01:00:00Z"}},
		{"CRON_TZ=Europe/Paris 0 3 * * *", "2026-01-01T00:00:00Z", []string{"2026-01-01T02:00:00Z"}},
		// On 2026-03-29 the clock in Paris skips the hour from 02:00 on: it comes all the same, once.
		{"30 2 * * * Europe/Paris", "2026-03-28T12:00:00Z", []string{"2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"}},
		// On 2026-10-25 it repeats that hour: it comes once.
		{"30 2 * * * Europe/Paris", "2026-10-24T12:00:00Z", []string{"2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"}},
		{"*/20 * * * *", "2026-06-01T00:01:00Z", []string{"2026-06-01T00:20:00Z", "2026-06-01T00:40:00Z", "2026-06-01T01:00:00Z"}},
		{"0 0 29 2 *", "2026-06-01T00:00:00Z", []string{"2028-02-29T00:00:00Z"}},
	} {
		s, err := ParseSchedule(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			at = s.Next(at)
			if got := at.UTC().Format(time.RFC3339); got != want {
				t.Errorf("%s after %s: %s, want %s", tt.spec, tt.after, got, want)
			}
		}
	}
}

func TestEverySpringDayHasItsBackupOnce(t *testing.T) {
	for _, zone := range []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"} {
		for _, clock := range []string{"0 0", "15 0", "30 1", "0 2", "15 2", "30 2", "59 2", "0 3"} {
			s, err := ParseSchedule(clock + " * * * " + zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			days := map[string]int{}
			for range 365 {
				next := s.Next(at)
				if gap := next.Sub(at); gap <= 0 || gap > 36*time.Hour+time.Minute {
					t.Fatalf("%s %s: %s after %s", clock, zone, next, at)
				}
				at = next
				days[at.In(s.location).Format(time.DateOnly)]++
			}
			for day, n := range days {
				if n != 1 && clock > "0 0" { // midnight itself may be skipped
					t.Errorf("%s %s: %d times on %s", clock, zone, n, day)
				}
			}
		}
	}
}

func TestWhatIsNoScheduleIsRefused(t *testing.T) {
	for spec, says := range map[string]string{
		"": "five fields", "0 3 * *": "five fields", "0 3 * * * * *": "five fields", "@daily": "five fields", "@every 1h": "five fields",
		"60 3 * * *": "60", "0 3 * * * Mars/Olympus": "no time zone", "0 3 * * * Local": "no time zone", "0 0 30 2 *": "never comes",
		"TZ=UTC 3 * * *": "five fields", "CRON_TZ=x 0 3 * * *": "no time zone",
	} {
		if _, err := ParseSchedule(spec); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}
