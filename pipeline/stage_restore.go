package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
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

// restore puts the content of the archive in the place of the volume's. It may
// be repeated from any point: what is on disk of it says how far it came.
func restore(ctx context.Context, x *Execution) (err error) {
	v, err := x.Stack.volumes()
	if err != nil {
		return err
	}
	defer func() {
		if x.Run.Replaces == nil { // the volume was not touched
			err = errors.Join(err, x.runner.LetGo(x.Stack, nil))
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
		if err := x.runner.LetGo(x.Stack, nil); err != nil {
			return "", err
		}
		if err := project.Materialise(x.again.Recipe, x.Project.Mounts); err != nil {
			return "", err
		}
		return "the live release runs", x.Stack.Target.Apply(ctx, x.Project, x.applyOptions(nil))
	})
}
