package pipeline

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"deployer/state"
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
		s, err := parseSchedule(tt.spec)
		if err != nil {
			t.Errorf("%s: %v", tt.spec, err)
			continue
		}
		at, err := time.Parse(time.RFC3339, tt.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			at = s.next(at)
			if got := at.UTC().Format(time.RFC3339); got != want {
				t.Errorf("%s after %s: %s, want %s", tt.spec, tt.after, got, want)
			}
		}
	}
}

func TestEverySpringDayHasItsBackupOnce(t *testing.T) {
	for _, zone := range []string{"Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "UTC"} {
		for _, clock := range []string{"0 0", "15 0", "30 1", "0 2", "15 2", "30 2", "59 2", "0 3"} {
			s, err := parseSchedule(clock + " * * * " + zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
			days := map[string]int{}
			for range 365 {
				next := s.next(at)
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
		if _, err := parseSchedule(spec); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", spec, err)
		}
	}
}

// scheduled is a bench whose clock can be moved, with a live release that
// wants a backup at three.
func scheduled(t *testing.T) (b *bench, move func(time.Duration)) {
	b = newBench(t)
	var offset atomic.Int64
	start := time.Now()
	noon := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	b.parts.Now = func() time.Time { return noon.Add(time.Since(start) + time.Duration(offset.Load())) }
	b.renew()
	b.must(b.store.Update(func(tx *state.Tx) error {
		return tx.PutStack(&state.Stack{Name: "shop", Live: &state.Release{ID: "r", Stack: "shop"},
			Schedule: &state.Schedule{Spec: "0 3 * * *", Last: noon}})
	}))
	return b, func(d time.Duration) { offset.Add(int64(d)) }
}

func (b *bench) due() (wait time.Duration, runs []*state.Run) {
	b.t.Helper()
	wait, err := b.queue.scheduleBackups(time.Hour)
	b.must(err)
	b.must(b.store.View(func(tx *state.Tx) (err error) {
		runs, _, err = tx.Runs(state.RunQuery{Kind: state.KindBackup})
		return err
	}))
	return wait, runs
}

func TestAMissedBackupIsMadeUpForOnce(t *testing.T) {
	b, move := scheduled(t)
	if wait, runs := b.due(); len(runs) != 0 || wait != time.Hour {
		t.Errorf("%d runs at noon, next look in %s", len(runs), wait)
	}
	move(14*time.Hour + 50*time.Minute)
	if wait, runs := b.due(); len(runs) != 0 || wait > 10*time.Minute || wait < 9*time.Minute {
		t.Errorf("%d runs at ten to three, next look in %s", len(runs), wait)
	}
	move(5 * 24 * time.Hour) // deployer was down
	for range 2 {
		if _, runs := b.due(); len(runs) != 1 || runs[0].Trigger.Kind != state.TriggerSchedule || runs[0].Status != state.RunQueued {
			t.Fatalf("after five days there are %d runs", len(runs))
		}
	}
	move(24 * time.Hour)
	if _, runs := b.due(); len(runs) != 1 {
		t.Errorf("a backup was queued while one waits: %d", len(runs))
	}
	move(-365 * 24 * time.Hour) // the clock was wrong
	b.due()
	move(24 * time.Hour)
	if due := b.stack("shop").Schedule.Last; due.After(b.queue.now()) {
		t.Errorf("the schedule waits for %s", due)
	}
}

func TestBackupsAndPushesDoNotTakeEachOthersPlace(t *testing.T) {
	by := func(kind state.RunKind, trigger state.TriggerKind) *state.Run {
		return &state.Run{Stack: "shop", Kind: kind, Status: state.RunQueued, Trigger: state.Trigger{Kind: trigger}}
	}
	push, person := by(state.KindDeploy, state.TriggerWebhook), by(state.KindDeploy, state.TriggerAPI)
	for _, keeper := range []*state.Run{by(state.KindBackup, state.TriggerSchedule), by(state.KindBackup, state.TriggerAPI), by(state.KindRestore, state.TriggerCLI)} {
		for _, other := range []*state.Run{push, person} {
			if supersedes(keeper, other) || supersedes(other, keeper) {
				t.Errorf("%s and %s take each other's place", keeper.Kind, other.Kind)
			}
		}
		locked := &state.Stack{Lock: &state.Lock{}, Pin: &state.Pin{}}
		if v, _ := (&Stack{}).admit(keeper, locked, time.Now()); v != verdictPass {
			t.Errorf("a %s of a locked stack has to %s", keeper.Kind, v)
		}
	}
}

func TestBackupOptionsAreRead(t *testing.T) {
	read := func(text, environment string) (*BackupOptions, error) {
		f, err := parseFile([]byte(text), environment)
		if err != nil {
			return nil, err
		}
		return f.Backup, nil
	}
	const whole = `backup: {volumes: [registry_data], to: /backups/registry, schedule: "0 3 * * *", keep_days: 7, before_deploy: true}
environments: {dev: {backup: {volumes: [other], to: /backups/dev/, mode: stopped}}, test: {}}
`
	b, err := read(whole, "")
	if err != nil || b.Volumes[0] != "registry_data" || b.KeepDays != 7 || !b.BeforeDeploy || b.mode() != modePaused {
		t.Errorf("%+v %v", b, err)
	}
	if b, err = read(whole, "dev"); err != nil || b.To != "/backups/dev/" || b.Schedule != "" || b.mode() != modeStopped {
		t.Errorf("dev: %+v %v", b, err)
	}
	if b, err = read(whole, "test"); err != nil || b.KeepDays != 7 {
		t.Errorf("test: %+v %v", b, err)
	}
	if b, err = read("verify: []\n", ""); err != nil || b != nil {
		t.Errorf("absent: %+v %v", b, err)
	}
	for text, says := range map[string]string{
		"{to: /b}":                                     "backup.volumes",
		"{volumes: [a]}":                               "backup.to",
		"{volumes: [a, a], to: /b}":                    "named twice",
		"{volumes: [a], to: backups}":                  "not an absolute path",
		"{volumes: [a], to: /b/../etc}":                "not an absolute path",
		"{volumes: [a], to: /}":                        "not an absolute path",
		"{volumes: [a], to: /etc/cron.d}":              "belongs to the system",
		"{volumes: [a], to: /b, schedule: daily}":      "five fields",
		"{volumes: [a], to: /b, keep_days: -1}":        "keep_days",
		"{volumes: [a], to: /b, mode: frozen}":         "[paused stopped running]",
		"{volumes: [a], to: /b, keepdays: 7}":          "keepdays",
		"{volumes: [a], to: /b, before_deploy: maybe}": "before_deploy",
	} {
		if _, err := read("backup: "+text+"\n", ""); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
