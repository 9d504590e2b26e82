package pipeline

import (
	"context"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/state"
)

// lastBackups tells checks of the backups of one stack.
type lastBackups struct {
	x *Execution
	p *project.Project
}

// LastGood returns the newest backup of a volume that is recorded, whether its
// archive is still there or not.
func (l lastBackups) LastGood(ctx context.Context, volume string) (check.LastBackup, bool, error) {
	x := l.x
	names, err := volumeNames(l.p, []string{volume})
	if err != nil {
		return check.LastBackup{}, false, err
	}
	v, err := x.Stack.volumes()
	if err != nil {
		return check.LastBackup{}, false, err
	}
	found := check.LastBackup{}
	if found.Exists, err = v.VolumeExists(ctx, names[0]); err != nil {
		return found, false, err
	}
	ok := false
	err = x.runner.store.View(func(tx *state.Tx) error {
		list, err := tx.Backups(x.Stack.Name)
		for _, b := range list {
			if b.Volume == names[0] && b.At.After(found.At) {
				found.At, found.Path, found.Size, ok = b.At, b.Archive, b.Size, true
			}
		}
		return err
	})
	return found, ok, err
}
