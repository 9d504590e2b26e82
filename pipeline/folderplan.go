package pipeline

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// PlanFolder says what pushing a folder would change, compared with another
// state of the same repository. Both are opened with the keys at hand; without
// one, the example's values stand for those of the env file, and the plan says
// so. It needs neither the server nor its Engine, and changes nothing. A check
// that fails is in the plan; the error is about what cannot be read at all.
func PlanFolder(ctx context.Context, f Folder, base project.Tree) (*state.Changes, error) {
	x, err := onDesk(f)
	if err != nil {
		return nil, err
	}
	before, old, reduced := (*project.Project)(nil), side{}, ""
	if !f.New && stackIn(base, f.Directory) {
		y, err := onDesk(f)
		if err != nil {
			return nil, err
		}
		y.Tree, y.Mask = base, x.Mask
		y.runner = x.runner // with one key: equal content has equal names
		if reduced, err = y.resolveOnDesk(ctx); err != nil {
			return nil, WithHint(fmt.Errorf("the commit to compare with: %w", y.masked(err)), Hint(err))
		}
		before, old = y.Project, side{y.Project, y.FileRaw}
	}
	without, err := x.resolveOnDesk(ctx)
	if err != nil {
		return nil, x.masked(err)
	}
	if (reduced == "") != (without == "") && before != nil { // compare like with like
		return PlanFolder(ctx, f.withoutKeys(cmp.Or(reduced, without)), base)
	}
	changes := compared(before, x.Project)
	x.detail(changes, old, side{x.Project, x.FileRaw})
	x.stage.Steps = nil
	x.judgeOnDesk(ctx, f.Advisory)
	x.checkBuilds(ctx)
	if without != "" {
		changes.Secrets, changes.Values = nil, nil
		changes.Notes = append(changes.Notes, "reduced: no key at hand decrypts "+without+", so the values of "+x.exampleName()+" stand for the real ones")
		x.leaveForTheKey(without)
	} else {
		x.checkStatic(ctx)
	}
	changes.Checks = x.stage.Steps
	return changes, ctx.Err()
}

// withoutKeys is the folder as who has no key sees it.
func (f Folder) withoutKeys(sealed string) Folder {
	f.noKeys = sealed
	return f
}

// stackIn reports whether a tree has anything of the stack.
func stackIn(tree fs.FS, dir string) bool {
	info, err := fs.Stat(tree, path.Clean(dir))
	return err == nil && info.IsDir()
}

// resolveOnDesk goes a deploy's way to the resolved project, and says what it
// went without for want of a key: the env file, or one that is mounted.
func (x *Execution) resolveOnDesk(ctx context.Context) (without string, err error) {
	if err := x.Step(ctx, FileName, x.readPipeline); err != nil {
		return "", err
	}
	if without = x.keyless; without == "" {
		if err = decrypt(ctx, x); err == nil {
			err = x.resolveFiles(ctx)
		}
		noKey := (*secrets.Error)(nil)
		if !errors.As(err, &noKey) || !noKey.NoKey {
			return "", err
		}
		without = x.sealedName(noKey)
	}
	x.Project, err = x.standIn(ctx, x.Tree)
	return without, err
}

// leaveForTheKey records the checks that need what is sealed.
func (x *Execution) leaveForTheKey(sealed string) {
	for _, spec := range x.preflightChecks() {
		x.record(spec.Title(), check.Result{Status: state.StepSkipped, Message: "it needs " + sealed + ", which no key at hand decrypts"}, 0)
	}
}
