package check

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"

	"deployer/project"
	"deployer/state"
)

// known are the backups of volumes by name.
type known map[string]func() (LastBackup, bool, error)

func (k known) LastGood(_ context.Context, volume string) (LastBackup, bool, error) {
	if last, ok := k[volume]; ok {
		return last()
	}
	return LastBackup{}, false, errors.New("the compose file has no named volume " + volume)
}

func TestBackupIsYoungAndStillThere(t *testing.T) {
	archive := filepath.Join(t.TempDir(), "shop_data-20260304_030000.tar.gz")
	if err := os.WriteFile(archive, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	last := func(age time.Duration, path string, size int64, exists, ok bool) func() (LastBackup, bool, error) {
		return func() (LastBackup, bool, error) {
			return LastBackup{At: now.Add(-age), Path: path, Size: size, Exists: exists}, ok, nil
		}
	}
	backups := known{
		"data":  last(9*time.Hour, archive, 5, true, true),
		"edge":  last(26*time.Hour, archive, 5, true, true),
		"old":   last(27*time.Hour, archive, 5, true, true),
		"cut":   last(time.Hour, archive, 6, true, true),
		"gone":  last(time.Hour, archive+".gone", 5, true, true),
		"none":  last(0, "", 0, true, false),
		"to_be": last(0, "", 0, false, false),
	}
	shop := &project.Project{Name: "shop", Compose: &types.Project{Volumes: types.Volumes{"data": {}, "to_be": {}}}}
	for source, tt := range map[string]struct {
		status state.StepStatus
		parts  []string
	}{
		"{check: backup}":                                        {state.StepPassed, []string{"data: " + archive + ", 9h0m0s old"}},
		"{check: backup, volumes: [edge]}":                       {state.StepPassed, nil},
		"{check: backup, volumes: [data, old]}":                  {state.StepFailed, []string{"old: the last good backup is 27h0m0s old, want at most 26h0m0s", "deployer backup"}},
		"{check: backup, volumes: [old], max_age: 28h}":          {state.StepPassed, nil},
		"{check: backup, volumes: [data], max_age: 8h}":          {state.StepFailed, []string{"9h0m0s old"}},
		"{check: backup, volumes: cut}":                          {state.StepFailed, []string{"has 5 bytes, it was written with 6"}},
		"{check: backup, volumes: gone}":                         {state.StepFailed, []string{"is gone"}},
		"{check: backup, volumes: none}":                         {state.StepFailed, []string{"no good backup"}},
		"{check: backup, volumes: none, severity: warn}":         {state.StepWarned, []string{"no good backup"}},
		"{check: backup, volumes: to_be}":                        {state.StepSkipped, []string{"nothing to back up yet: to_be"}},
		"{check: backup, volumes: [typo]}":                       {state.StepFailed, []string{"no named volume typo"}},
		"{check: backup, volumes: [\"${VOLUME:-data}\", to_be]}": {state.StepPassed, nil},
	} {
		w := &World{Project: shop, Backups: backups, Now: func() time.Time { return now }}
		want(t, run(t, source, w), tt.status, tt.parts...)
	}
	want(t, run(t, "{check: backup}", &World{Project: shop}), state.StepSkipped, "not known")
	want(t, run(t, "{check: backup}", &World{Project: &project.Project{Compose: &types.Project{}}, Backups: backups}), state.StepSkipped, "no named volume")
}
