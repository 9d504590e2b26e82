package check

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"deployer/project"
)

// A LastBackup is the newest backup of a volume that was read back.
type LastBackup struct {
	At     time.Time // when the volume was read
	Path   string    // of the archive, on deployer's host
	Size   int64     // of the archive, in bytes
	Exists bool      // the volume is there; what is not has nothing to be backed up
}

// Backups knows the backups of the stack.
type Backups interface {
	// LastGood returns the newest good backup of a volume, which is named by
	// its key in the compose file or its name on the Engine.
	LastGood(ctx context.Context, volume string) (last LastBackup, ok bool, err error)
}

// backupCheck asks for a good backup that is young enough.
type backupCheck struct {
	Volumes []text        `check:"volumes"` // default: every named volume of the project
	MaxAge  time.Duration `check:"max_age"`
}

func newBackup() Check { return &backupCheck{MaxAge: 26 * time.Hour} }

func (c *backupCheck) Run(ctx context.Context, w *World) Result {
	if w.Backups == nil {
		return skipped("backups are not known here")
	}
	volumes := c.names(w.Project)
	if len(volumes) == 0 {
		return skipped("the stack has no named volume")
	}
	var good, missing, bad []string
	for _, volume := range volumes {
		last, ok, err := w.Backups.LastGood(ctx, volume)
		switch problem := c.judge(last, ok, w.now()); {
		case err != nil:
			bad = append(bad, volume+": "+reason(err))
		case !last.Exists:
			missing = append(missing, volume)
		case problem != "":
			bad = append(bad, volume+": "+problem)
		default:
			good = append(good, fmt.Sprintf("%s: %s, %s old", volume, last.Path, w.now().Sub(last.At).Round(time.Minute)))
		}
	}
	switch {
	case len(bad) > 0:
		return failed(strings.Join(bad, "; "), "run `deployer backup` for the stack, and see with `deployer runs --kind backup` why the last one failed")
	case len(good) == 0:
		return skipped("there is nothing to back up yet: " + strings.Join(missing, ", "))
	}
	return passed(strings.Join(good, "; "))
}

func (c *backupCheck) names(p *project.Project) []string {
	var names []string
	for _, v := range c.Volumes {
		names = append(names, v.plain)
	}
	if len(names) == 0 && p != nil && p.Compose != nil {
		names = p.Compose.VolumeNames()
	}
	return names
}

// judge says what is wrong with the last backup of a volume.
func (c *backupCheck) judge(last LastBackup, ok bool, now time.Time) string {
	if !ok {
		return "there is no good backup"
	}
	info, err := os.Lstat(last.Path)
	switch age := now.Sub(last.At); {
	case err != nil:
		return fmt.Sprintf("the archive %s is gone: %v", last.Path, reason(err))
	case !info.Mode().IsRegular() || info.Size() != last.Size:
		return fmt.Sprintf("the archive %s has %d bytes, it was written with %d", last.Path, info.Size(), last.Size)
	case age > c.MaxAge:
		return fmt.Sprintf("the last good backup is %s old, want at most %s", age.Round(time.Minute), c.MaxAge)
	}
	return ""
}
