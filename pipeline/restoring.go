package pipeline

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/docker/go-units"

	"deployer/backup"
	"deployer/state"
)

// A restoring is the backup that a restore is for, judged.
type restoring struct {
	backup   *state.Backup
	manifest *backup.Manifest
	archive  *os.File
}

func (r *restoring) close() {
	if r != nil && r.archive != nil {
		_ = r.archive.Close()
	}
}

// judgeBackup makes sure, before anything is touched, that the archive is
// whole and harmless and that its volume can be replaced.
func judgeBackup(ctx context.Context, x *Execution) error {
	err := x.Step(ctx, "archive", func(context.Context) (string, error) {
		found, err := x.openBackup(x.Run.Want.Backup)
		if err != nil {
			return "", err
		}
		x.restoring.close()
		x.restoring = found
		m := found.manifest
		return fmt.Sprintf("%s of %s: checksum right, %d entries with %s", m.ID, m.StartedAt.Format(time.RFC3339), m.Files, units.BytesSize(float64(m.Content))), nil
	})
	if err != nil {
		return err
	}
	return x.Step(ctx, "volume", x.judgeVolume)
}

// openBackup opens the archive of a backup and compares it, its manifest and
// what is known of it.
func (x *Execution) openBackup(id string) (*restoring, error) {
	var b *state.Backup
	err := x.runner.store.View(func(tx *state.Tx) (err error) {
		b, err = tx.Backup(id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", id, err)
	}
	other := "`deployer backups` lists others; nothing was changed"
	m, err := backup.ReadManifest(b.Archive)
	if err != nil {
		return nil, WithHint(err, other)
	}
	if m.SHA256 != b.SHA256 || m.Size != b.Size || m.Volume != b.Volume || m.Stack != x.Stack.ShelfName() {
		return nil, WithHint(fmt.Errorf("the manifest of backup %s is not the one that was written with it", id), other)
	}
	// Links that lead out are harmless in what this server read from the volume itself.
	f, err := backup.Open(b.Archive, m, !b.Found)
	if err != nil {
		return nil, WithHint(fmt.Errorf("backup %s: %w", id, err), other)
	}
	return &restoring{b, m, f}, nil
}

func (x *Execution) judgeVolume(ctx context.Context) (string, error) {
	name := x.restoring.backup.Volume
	v, err := x.Stack.volumes()
	if err != nil {
		return "", err
	}
	if _, err := volumeNames(x.Project, []string{name}); err != nil {
		return "", WithHint(fmt.Errorf("the live release has no volume %s", name), "deploy a release that has it, then restore")
	}
	if why, err := v.KeepsContent(ctx, name); err != nil || why != "" {
		if err == nil {
			err = WithHint(fmt.Errorf("volume %s cannot be made anew: %s", name, why), "unpack the archive there by hand: docs/operate.md says how")
		}
		return "", err
	}
	users, err := v.Users(ctx, []string{name})
	if err != nil {
		return "", err
	}
	for _, u := range users {
		if u.Project != x.Stack.Project {
			return "", WithHint(fmt.Errorf("volume %s is mounted by container %s, which is not of this stack", name, u.Name), "remove that container, then restore")
		}
	}
	return fmt.Sprintf("%s: %d containers of the stack mount it", name, len(users)), nil
}
