package pipeline

import (
	"context"
	"fmt"
	"time"

	"deployer/project"
	"deployer/state"
)

// deploy makes the target run the release. Before the first change the
// release, and that the change begins, are on disk.
func deploy(ctx context.Context, x *Execution) error {
	err := x.Step(ctx, "files", func(ctx context.Context) (string, error) {
		if err := project.Materialise(x.Tree, x.Project.Mounts); err != nil {
			return "", err
		}
		return counted(len(x.Project.Mounts), "mount") + " in place", nil
	})
	if err != nil {
		return err
	}
	if err := x.keepImages(ctx); err != nil {
		return err
	}
	x.witness(ctx, x.world())
	return x.Step(ctx, "apply", func(ctx context.Context) (string, error) {
		o := x.applyOptions(func(context.Context, string) error { return x.beginChange() })
		if err := x.Stack.Target.Apply(ctx, x.Project, o); err != nil {
			return "", err
		}
		if x.Run.Phase == state.PhasePreparing { // no container differs: only checks did
			if err := x.beginChange(); err != nil {
				return "", err
			}
			return "no container differs", nil
		}
		return describe(x.Run.Changes), nil
	})
}

// keepImages protects the images of the release, and of those that can be gone
// back to, from a prune. Which of them are given up shows when the run is over.
func (x *Execution) keepImages(ctx context.Context) error {
	keep, err := x.runner.keptImages(x.Stack)
	if err != nil {
		return err
	}
	return x.Stack.Target.KeepImages(ctx, x.Stack.ShelfName(), append(keep, x.Release.ImageIDs()...))
}

func (x *Execution) applyOptions(changing func(context.Context, string) error) project.ApplyOptions {
	return project.ApplyOptions{
		Log: x.Log, Wait: time.Duration(x.File.Deploy.Wait),
		RemoveOrphans: x.File.Deploy.Orphans == "remove", Resumed: x.resumed, Changing: changing,
	}
}

// beginChange puts on disk that the run may have changed the target from now
// on, with all that is needed to take it up after a crash.
func (x *Execution) beginChange() error {
	var sealed []byte
	if x.again == nil {
		var err error
		if sealed, err = x.seal(); err != nil {
			return err
		}
	}
	x.Run.Phase = state.PhaseChanging
	x.Release.At = x.runner.now().UTC()
	return x.journal.Commit(x.Run, func(tx *state.Tx) error {
		if err := tx.PutRelease(x.Release, sealed); err != nil {
			return err
		}
		if err := tx.WentLive(x.Release); err != nil {
			return err
		}
		return tx.ChangeStack(x.Stack.Name, func(s *state.Stack) { s.Live, s.Project = x.Release, x.Stack.Project })
	})
}

func describe(changes *state.Changes) string {
	count, scaled := map[state.ServiceAction]int{}, ""
	for _, s := range changes.Services {
		count[s.Action]++
		if s.Action == state.ActionKeep && s.Changes() {
			scaled += fmt.Sprintf("; %s: %s", s.Name, s.Why)
		}
	}
	return fmt.Sprintf("%d created, %d recreated, %d kept, %d removed", count[state.ActionCreate],
		count[state.ActionRecreate], count[state.ActionKeep], count[state.ActionRemove]) + scaled
}
