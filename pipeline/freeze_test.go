package pipeline

import (
	"testing"
	"time"
)

func TestFreezeFollowsThePlacesCalendar(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	weekend := Freeze{WeekTime{time.Friday, 17, 0}, WeekTime{time.Monday, 8, 0}, paris}
	lunch := Freeze{WeekTime{time.Wednesday, 12, 0}, WeekTime{time.Wednesday, 13, 0}, time.UTC}
	almostAll := Freeze{WeekTime{time.Tuesday, 10, 0}, WeekTime{time.Tuesday, 9, 0}, time.UTC}
	monday := Freeze{WeekTime{time.Monday, 7, 0}, WeekTime{time.Monday, 12, 0}, paris}
	at := func(text string, in *time.Location) time.Time {
		v, err := time.ParseInLocation("2006-01-02 15:04", text, in)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name    string
		freezes []Freeze
		at      time.Time
		until   time.Time // zero: not frozen
	}{
		{"before it begins", []Freeze{weekend}, at("2026-11-20 16:59", paris), time.Time{}},
		{"at its first minute", []Freeze{weekend}, at("2026-11-20 17:00", paris), at("2026-11-23 08:00", paris)},
		{"across the week's end", []Freeze{weekend}, at("2026-11-22 23:59", paris), at("2026-11-23 08:00", paris)},
		{"at its end", []Freeze{weekend}, at("2026-11-23 08:00", paris), time.Time{}},
		{"seen from another zone", []Freeze{weekend}, at("2026-11-20 16:30", time.UTC), at("2026-11-23 08:00", paris)},
		{"clocks go forward within it", []Freeze{weekend}, at("2026-03-28 12:00", paris), at("2026-03-30 08:00", paris)},
		{"clocks go back within it", []Freeze{weekend}, at("2026-10-25 02:30", paris), at("2026-10-26 08:00", paris)},
		{"within one day", []Freeze{lunch}, at("2026-11-25 12:30", time.UTC), at("2026-11-25 13:00", time.UTC)},
		{"the same day a week later", []Freeze{lunch}, at("2026-11-25 13:30", time.UTC), time.Time{}},
		{"all week but an hour", []Freeze{almostAll}, at("2026-11-23 09:30", time.UTC), at("2026-11-24 09:00", time.UTC)},
		{"in that hour", []Freeze{almostAll}, at("2026-11-24 09:30", time.UTC), time.Time{}},
		{"two that overlap", []Freeze{weekend, monday}, at("2026-11-21 10:00", paris), at("2026-11-23 12:00", paris)},
		{"none", nil, at("2026-11-21 10:00", paris), time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			until, frozen := FrozenUntil(c.freezes, c.at)
			if frozen != !c.until.IsZero() || frozen && !until.Equal(c.until) {
				t.Fatalf("frozen %v until %v, want until %v", frozen, until, c.until)
			}
		})
	}
}
