package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

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
	return x.Stack.Mirror.FetchCommit(ctx, x.Stack.Branch, want)
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
