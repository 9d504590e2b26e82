package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/go-units"

	"deployer/backup"
	"deployer/project"
	"deployer/state"
)

// restoreWay is the way of a restore; undoRestore follows where it fails while
// the volume is not whole.
var (
	restoreWay = []stage{
		{state.StagePreflight, judgeBackup, within(backupLimit)},
		{state.StageRestore, restore, within(backupLimit)},
		{state.StageVerify, verify, within(15 * time.Minute)},
	}
	undoRestore = stage{state.StageRollback, bringBack, within(backupLimit)}
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
	if m.SHA256 != b.SHA256 || m.Size != b.Size || m.Volume != b.Volume || m.Stack != b.Stack {
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

// restore puts the content of the archive in the place of the volume's. It may
// be repeated from any point: what is on disk of it says how far it came.
func restore(ctx context.Context, x *Execution) (err error) {
	v, err := x.Stack.volumes()
	if err != nil {
		return err
	}
	defer func() {
		if x.Run.Replaces == nil { // the volume was not touched
			err = errors.Join(err, x.runner.letGo(x.Stack, nil))
		}
	}()
	if x.Run.Replaces == nil {
		if err := x.setAside(ctx, v); err != nil {
			return err
		}
	}
	if !x.Run.Replaces.Done {
		if err := x.replace(ctx, v, x.restoring); err != nil {
			return err
		}
	}
	return x.startAgain(ctx)
}

// setAside stops what uses the volume, and backs up what is in it.
func (x *Execution) setAside(ctx context.Context, v Volumes) error {
	name := x.restoring.backup.Volume
	a := &archiving{x: x, v: v, to: filepath.Dir(x.restoring.backup.Archive), why: "before the restore of " + x.restoring.backup.ID}
	if err := a.prepare(ctx); err != nil {
		return err
	}
	if err := a.hold(ctx, []string{name}, true); err != nil {
		return err
	}
	exists, err := v.VolumeExists(ctx, name)
	if err != nil {
		return err
	}
	next := &state.Replacement{Volume: name}
	if exists {
		defer func() {
			for _, p := range a.parts {
				p.Discard()
			}
		}()
		if err := a.read(ctx, []string{name}); err != nil {
			return err
		}
		if err := a.finish(ctx); err != nil {
			return err
		}
		next.Safety = a.made[0].ID
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	x.Run.Replaces, x.Run.Phase = next, state.PhaseChanging
	if err := x.journal.Commit(x.Run, nil); err != nil {
		x.Run.Replaces, x.Run.Phase = nil, state.PhasePreparing
		return fmt.Errorf("note that the volume is about to be replaced: %w", err)
	}
	return nil
}

// replace makes the volume anew from an archive, and reads it back.
func (x *Execution) replace(ctx context.Context, v Volumes, from *restoring) error {
	name, m := x.Run.Replaces.Volume, from.manifest
	err := x.Step(ctx, "replace", func(ctx context.Context) (string, error) {
		if err := v.RemoveHelpers(ctx, x.Stack.Project); err != nil {
			return "", err
		}
		users, err := v.Users(ctx, []string{name})
		if err != nil {
			return "", err
		}
		if err := v.StopContainers(ctx, idsOf(users)); err != nil { // a restart policy may have brought one back
			return "", err
		}
		if err := v.RenewVolume(ctx, x.Project, name); err != nil {
			return "", err
		}
		content, err := backup.Stream(from.archive, m)
		if err != nil {
			return "", err
		}
		if err := v.WriteVolume(ctx, x.Stack.Project, name, content); err != nil {
			return "", err
		}
		return fmt.Sprintf("%s was filled from %s", name, m.ID), nil
	})
	if err != nil {
		return err
	}
	err = x.Step(ctx, "read back", func(ctx context.Context) (string, error) {
		var found backup.Content
		err := v.ReadVolume(ctx, x.Stack.Project, name, func(stream io.Reader) (err error) {
			found, err = backup.Measure(stream)
			return err
		})
		if err == nil && (found.Files != m.Files || found.Bytes != m.Content) {
			err = fmt.Errorf("the volume holds %d entries with %d bytes, the archive %d with %d", found.Files, found.Bytes, m.Files, m.Content)
		}
		return fmt.Sprintf("%d entries with %s", found.Files, units.BytesSize(float64(found.Bytes))), err
	})
	if err != nil {
		return err
	}
	return x.replaced()
}

// replaced notes that the volume is whole again. What shows the run may be
// reading what it noted before.
func (x *Execution) replaced() error {
	done := *x.Run.Replaces
	done.Done = true
	x.Run.Replaces = &done
	return x.journal.Commit(x.Run, nil)
}

func idsOf(users []project.VolumeUser) []string {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = u.ID
	}
	return ids
}

// startAgain lets go what was stopped, and makes the live release run: the
// containers that had mounted the volume are made anew.
func (x *Execution) startAgain(ctx context.Context) error {
	return x.Step(ctx, "start", func(ctx context.Context) (string, error) {
		if err := x.runner.letGo(x.Stack, nil); err != nil {
			return "", err
		}
		if err := project.Materialise(x.again.recipe, x.Project.Mounts); err != nil {
			return "", err
		}
		return "the live release runs", x.Stack.Target.Apply(ctx, x.Project, x.applyOptions(nil))
	})
}

// bringBack puts back what the volume held before a restore that failed.
func bringBack(ctx context.Context, x *Execution) error {
	v, err := x.Stack.volumes()
	if err != nil {
		return err
	}
	r := x.Run.Replaces
	if r.Safety == "" {
		err := x.Step(ctx, "volume", func(ctx context.Context) (string, error) {
			return fmt.Sprintf("%s did not exist before and was removed", r.Volume), v.RemoveVolume(ctx, r.Volume)
		})
		if err != nil {
			return err
		}
		return errors.Join(x.replaced(), x.runner.letGo(x.Stack, nil))
	}
	safety, err := x.openBackup(r.Safety)
	if err != nil {
		return err
	}
	defer safety.close()
	if err := x.replace(ctx, v, safety); err != nil {
		return err
	}
	return x.startAgain(ctx)
}

// settleKeeper locks a stack that a restore could not bring back. Where the
// volume is not whole, what uses it stays stopped.
func (x *Execution) settleKeeper(tx *state.Tx, s *state.Stack, end ending, at time.Time) error {
	if end.rollback == nil {
		return nil
	}
	s.Lock = &state.Lock{By: "deployer", At: at,
		Reason: fmt.Sprintf("restore %s failed and so did bringing back what was there; restore a backup, then unlock it", x.Run.ID)}
	if x.Run.Replaces.Done {
		return nil
	}
	return tx.DeleteHold(s.Name)
}

// keeperSentence says in what state a backup or restore that failed has left things.
func (x *Execution) keeperSentence(end ending) string {
	r := x.Run.Replaces
	var said []string
	switch {
	case x.Run.Kind != state.KindRestore:
	case r == nil:
		said = append(said, "the volume was not touched")
	case end.rollback != nil && !r.Done:
		said = append(said, fmt.Sprintf("and bringing back what was there failed: %v; volume %s is not whole, what uses it is stopped, and the stack is locked", end.rollback, r.Volume))
	case end.rollback != nil:
		said = append(said, fmt.Sprintf("volume %s holds what it held before, but the services did not come up: %v; the stack is locked", r.Volume, end.rollback))
	case slices.ContainsFunc(x.Run.Stages, func(s state.StageResult) bool { return s.Name == state.StageRollback }) && r.Safety == "":
		said = append(said, fmt.Sprintf("volume %s does not exist, as before", r.Volume))
	case slices.ContainsFunc(x.Run.Stages, func(s state.StageResult) bool { return s.Name == state.StageRollback }):
		said = append(said, fmt.Sprintf("volume %s holds what it held before, and its services run", r.Volume))
	default:
		said = append(said, fmt.Sprintf("volume %s holds the backup %s", r.Volume, x.Run.Want.Backup))
	}
	if r != nil && r.Safety != "" {
		said = append(said, "what it held before is backup "+r.Safety)
	}
	return strings.Join(append([]string{end.err.Error()}, said...), "; ")
}
