package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"deployer/gitsync"
	"deployer/project"
	"deployer/state"
)

// fetch resolves the branch's tip, or the commit that was asked for, and
// from then on the run is for that commit. A release that is run again needs
// no Git server.
func fetch(ctx context.Context, x *Execution) error {
	if x.again != nil {
		return skip{"the release was kept with all that it needs"}
	}
	err := x.Step(ctx, "fetch", func(ctx context.Context) (string, error) {
		snapshot, err := x.fetchSnapshot(ctx)
		if err != nil {
			return "", err
		}
		x.Snapshot, x.Tree = snapshot, snapshot
		announced := x.Run.Commit
		x.Run.Commit, x.Run.Subject, x.Run.Author = snapshot.Commit, snapshot.Subject, snapshot.Author
		x.tellCommit(announced)
		return fmt.Sprintf("%s “%s” by %s", state.ShortCommit(snapshot.Commit), snapshot.Subject, snapshot.Author), nil
	})
	if err != nil {
		return err
	}
	if why, err := x.unconcerned(ctx); err != nil || why != "" {
		if err == nil {
			err = nothingToDo{why}
		}
		return err
	}
	return x.Step(ctx, FileName, x.readPipeline)
}

func (x *Execution) fetchSnapshot(ctx context.Context) (*gitsync.Snapshot, error) {
	want := x.Run.Want.Commit
	if want == "" {
		return x.Stack.Mirror.Fetch(ctx, x.Stack.Branch)
	}
	snapshot, err := x.Stack.Mirror.FetchCommit(ctx, x.Stack.Branch, want)
	if !errors.Is(err, gitsync.ErrNotOnBranch) {
		return snapshot, err
	}
	recorded, storeErr := x.hasRelease(want)
	if storeErr != nil {
		return nil, storeErr
	}
	if !recorded {
		return nil, WithHint(err, "name a commit of the branch; one that has left it was not deployed here before")
	}
	snapshot, heldErr := x.Stack.Mirror.Snapshot(ctx, want)
	if errors.Is(heldErr, gitsync.ErrNotFound) {
		return nil, WithHint(err, fmt.Sprintf("its files are not kept any more; where its release was verified, deployer rollback %s --to %s needs none of them",
			x.Stack.Name, state.ShortCommit(want)))
	}
	return snapshot, heldErr
}

// hasRelease reports whether a release of a commit is recorded: it was on the
// branch then, and may be deployed again, wherever the branch points now.
func (x *Execution) hasRelease(commit string) (bool, error) {
	var releases []*state.Release
	err := x.runner.store.View(func(tx *state.Tx) (err error) {
		releases, err = tx.Releases(x.Stack.Name)
		return err
	})
	return slices.ContainsFunc(releases, func(r *state.Release) bool { return r.Commit == commit }), err
}

// tellCommit has the forge told which commit the run is for, where another one
// was announced or none: what was said of that one must not stay.
func (x *Execution) tellCommit(announced string) {
	if x.Run.Forge == "" || announced == x.Run.Commit {
		return
	}
	at := x.runner.now().UTC()
	err := x.journal.Commit(x.Run, func(tx *state.Tx) error {
		if announced != "" {
			left := &state.Run{ID: x.Run.ID, Forge: x.Run.Forge, Commit: announced, Status: state.RunSuperseded}
			if err := tx.AddNotice(left, at); err != nil {
				return err
			}
		}
		return tx.AddNotice(x.Run, at)
	})
	if err != nil { // the forge hears of it at the end
		x.runner.parts.Log.Warn("store which commit the run is for", "run", x.Run.ID, "error", err)
	}
}

func (x *Execution) readPipeline(context.Context) (string, error) {
	file, raw, err := ReadFile(x.Tree, x.Stack.Directory, x.environment())
	if err != nil {
		return "", err
	}
	if err := file.findEnv(x.Tree, x.Stack.Directory); err != nil {
		return "", err
	}
	x.File, x.FileRaw = file, raw
	if raw == nil {
		return "none in the commit: defaults apply", nil
	}
	return fmt.Sprintf("%s before, %d after", counted(len(file.Preflight), "check"), len(file.Verify)), nil
}

// unconcerned says why a push does not concern the stack, where comparing the
// trees of the last commit that the stack agreed with and of this one proves it.
func (x *Execution) unconcerned(ctx context.Context) (string, error) {
	last := x.Known.Judged
	if x.Known.Live == nil || last == nil || x.Run.Trigger.Kind.ByPerson() || x.Run.Phase != state.PhasePreparing ||
		(last.Status != state.RunSucceeded && last.Status != state.RunUnchanged) {
		return "", nil
	}
	before, err := x.Stack.Mirror.Snapshot(ctx, last.Commit)
	if errors.Is(err, gitsync.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	changed, err := gitsync.Diff(ctx, before, x.Snapshot)
	if err != nil {
		return "", err
	}
	concerned, err := Concerns(changed, x.Stack.Directory, x.Known.Paths, x.Known.Reads)
	if err != nil || concerned != "" {
		return "", err
	}
	return fmt.Sprintf("no file of this stack changed between %s and %s", state.ShortCommit(last.Commit), state.ShortCommit(x.Snapshot.Commit)), nil
}

// readFile reads a file of the stack's folder for a check.
func (x *Execution) readFile(name string) ([]byte, error) {
	full := path.Join(x.Stack.Directory, name)
	if !fs.ValidPath(full) {
		return nil, fmt.Errorf("%s leaves the repository", name)
	}
	return fs.ReadFile(x.Tree, full)
}

var _ project.Tree = (*gitsync.Snapshot)(nil)
