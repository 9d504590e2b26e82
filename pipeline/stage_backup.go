package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"deployer/backup"
	"deployer/pipeline/check"
	"deployer/state"
)

// The ways of runs that leave the release as it is, and what goes before the
// first change of a deploy.
var (
	backupWay   = []stage{{state.StageBackup, backUp, within(backupLimit)}}
	backupFirst = stage{state.StageBackup, backUp, within(backupLimit)}
)

// backupLimit bounds reading or writing all volumes of a stack.
const backupLimit = 6 * time.Hour

// wantsBackup reports whether a backup goes before the deploy.
func (x *Execution) wantsBackup() bool {
	if !x.Run.Kind.OfRelease() {
		return false
	}
	b := x.File.Backup
	return b != nil && b.BeforeDeploy && x.Run.Phase == state.PhasePreparing &&
		x.Run.Changes != nil && !x.Run.Changes.Empty()
}

// takeUpLive opens the live release: what it says of backups is in force.
func (x *Execution) takeUpLive() error {
	live := x.Known.Live
	if live == nil {
		return WithHint(fmt.Errorf("stack %s was never deployed", x.Stack.Name), "deploy it first")
	}
	kept, err := x.open(live)
	if err != nil {
		return err
	}
	x.again, x.Release, x.Stack = kept, live, x.Stack.in(kept.Dir)
	x.Tree, x.File, x.Env, x.Project = kept.Recipe, kept.File, kept.Env, kept.Project
	x.Run.Commit, x.Run.Subject, x.Run.Environment, x.Run.Release = live.Commit, live.Subject, live.Environment, live.ID
	return nil
}

// checkBackup sees before a deploy that what pipeline.yaml says of backups can be done.
func (x *Execution) checkBackup(context.Context) (string, error) {
	if _, err := x.Stack.volumes(); err != nil {
		return "", err
	}
	names, err := volumeNames(x.Project, x.File.Backup.Volumes)
	if err != nil {
		return "", err
	}
	if err := x.preparePlace(x.File.Backup.To); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s go to %s", strings.Join(names, ", "), x.File.Backup.To), nil
}

// preparePlace sees that a folder is outside of deployer's own and can be written.
func (x *Execution) preparePlace(to string) error {
	data := filepath.Dir(x.Stack.Roots.Objects)
	if real, err := filepath.EvalSymlinks(to); isBelow(to, data) || err == nil && isBelow(real, data) {
		return WithHint(fmt.Errorf("backup.to: %s is in deployer's data folder", to), "choose a folder outside of it, best on another disk")
	}
	return placeError(to, backup.Prepare(to, x.Stack.ShelfName()))
}

// placeError says what to do where a folder of backups cannot be written.
func placeError(to string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return WithHint(fmt.Errorf("no room for the backup in %s: %w", to, err), "make room there (df -h "+to+"), or lower keep_days; nothing half-written was left")
	case errors.Is(err, fs.ErrNotExist):
		return WithHint(fmt.Errorf("the folder for backups %s cannot be made: %w", to, err), "make the folder above it, or mount what should be there")
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS), errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return WithHint(fmt.Errorf("the folder for backups %s cannot be written: %w", to, err), "let deployer's user write there, or correct backup.to in "+FileName)
	}
	return err
}

// backUp makes a backup of every volume that pipeline.yaml names.
func backUp(ctx context.Context, x *Execution) error {
	options := x.File.Backup
	if options == nil {
		return WithHint(errors.New("the live release has no backup: in pipeline.yaml"), "add backup: with volumes: and to:, and push")
	}
	names, err := volumeNames(x.Project, options.Volumes)
	if err != nil {
		return err
	}
	v, err := x.Stack.volumes()
	if err != nil {
		return err
	}
	if names, err = x.existing(ctx, v, names); err != nil || len(names) == 0 {
		return err
	}
	why := "by schedule"
	switch {
	case x.Run.Kind.OfRelease():
		why = "before the deploy of " + state.ShortCommit(x.Run.Commit)
	case x.Run.Trigger.Kind.ByPerson():
		why = strings.TrimSpace("by " + x.Run.Trigger.Actor + " " + x.Run.Trigger.Reason)
	}
	a := &archiving{x: x, v: v, to: options.To, why: why}
	if err := a.run(ctx, names, options.mode()); err != nil {
		return err
	}
	return x.Step(ctx, "keep", func(context.Context) (string, error) { return x.prune(options, names) })
}

// existing leaves out the volumes that are not there yet, where a deploy is to
// make them; of a backup that was asked for, they are a failure.
func (x *Execution) existing(ctx context.Context, v Volumes, names []string) (found []string, err error) {
	for _, name := range names {
		ok, err := v.VolumeExists(ctx, name)
		if err != nil {
			return nil, err
		}
		if !ok && !x.Run.Kind.OfRelease() {
			return nil, WithHint(fmt.Errorf("volume %s does not exist", name), "if it was lost, `deployer backups` lists what `deployer restore` can bring back")
		}
		if !ok {
			x.record("read "+name, check.Result{Status: state.StepSkipped, Message: "the volume does not exist yet"}, 0)
			continue
		}
		found = append(found, name)
	}
	return found, nil
}

// prune deletes what is older than keep_days and takes up, in the list, the
// archives that are there and not known, as after deployer's own data was lost.
func (x *Execution) prune(options *BackupOptions, names []string) (string, error) {
	var gone []string
	for _, name := range names {
		more, err := backup.Prune(options.To, x.Stack.ShelfName(), name, options.KeepDays, x.runner.now())
		gone = append(gone, more...)
		if err != nil {
			return "", fmt.Errorf("delete old backups: %w", err)
		}
	}
	there, err := backup.Find(options.To, x.Stack.ShelfName())
	if err != nil {
		return "", err
	}
	err = x.runner.store.Update(func(tx *state.Tx) error {
		for _, id := range gone {
			if err := tx.DeleteBackup(id); err != nil {
				return err
			}
		}
		for _, m := range there {
			if _, err := tx.Backup(m.ID); !errors.Is(err, state.ErrNotFound) || !m.Whole(options.To) {
				continue
			}
			b := x.recordOf(m, options.To)
			b.Found = true
			if err := tx.PutBackup(b); err != nil {
				return err
			}
		}
		return nil
	})
	if options.KeepDays == 0 {
		return "all are kept: keep_days is not set", err
	}
	return fmt.Sprintf("%d older than %d days deleted", len(gone), options.KeepDays), err
}
