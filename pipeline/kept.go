package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"deployer/pipeline/check"
	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// A KeptRelease is a release opened from its sealed recipe.
type KeptRelease struct {
	Release *state.Release
	Dir     string // of its files
	Recipe  *project.Recipe
	File    *File
	Env     *secrets.Env
	Project *project.Project
}

// seal packs what is needed to run the execution's release again, encrypted
// to the server's own key.
func (x *Execution) seal() ([]byte, error) {
	recipe := x.Project.Recipe()
	if x.FileRaw != nil {
		recipe.Add(pathOf(x.Stack), x.FileRaw)
	}
	for name, data := range x.checkFiles() {
		recipe.Add(name, data)
	}
	plain, err := recipe.Encode()
	if err != nil {
		return nil, fmt.Errorf("pack the release: %w", err)
	}
	return x.runner.parts.Vault.Seal(plain)
}

// pathOf is where a stack's pipeline.yaml is in its repository.
func pathOf(s *Stack) string { return path.Join(s.Directory, FileName) }

// openRecipe decrypts the recipe of a release.
func (r *Runner) openRecipe(stack, release string) (*project.Recipe, error) {
	var sealed []byte
	err := r.store.View(func(tx *state.Tx) (err error) {
		sealed, err = tx.Sealed(stack, release)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("recipe of release %s: %w", state.ShortCommit(release), err)
	}
	plain, err := r.parts.Vault.Open(sealed)
	if err != nil {
		return nil, fmt.Errorf("open the recipe of release %s: %w", state.ShortCommit(release), err)
	}
	return project.DecodeRecipe(plain)
}

// Open resolves a release from its recipe alone, with its images pinned.
func (r *Runner) Open(stack *Stack, release *state.Release) (*KeptRelease, error) {
	recipe, err := r.openRecipe(stack.Name, release.ID)
	if err != nil {
		return nil, err
	}
	stack = stack.in(release.Directory)
	file, _, err := ReadFile(recipe, stack.Directory, release.Environment)
	if err != nil {
		return nil, err
	}
	env, err := recipe.Env()
	if err != nil {
		return nil, err
	}
	p, err := project.Load(context.Background(), project.Source{
		Tree: recipe, Dir: stack.Directory, Files: file.Compose, Profiles: file.Profiles, Name: stack.Project,
		Env: env, Roots: stack.Roots, Digest: r.parts.Vault.Digest, OpenEnv: recipe.OpenEnv,
	})
	if err != nil {
		return nil, err
	}
	p.PinImages(imagesByID(release.Images))
	return &KeptRelease{Release: release, Dir: stack.Directory, Recipe: recipe, File: file, Env: env, Project: p}, nil
}

// in is the stack with the folder that a release of it was in.
func (s *Stack) in(directory string) *Stack {
	if directory == "" || directory == s.Directory {
		return s
	}
	there := *s
	there.Directory = directory
	return &there
}

// open opens a kept release for the execution: from here on its secrets,
// which need not be those of the commit that is deployed, are masked too.
func (x *Execution) open(release *state.Release) (*KeptRelease, error) {
	kept, err := x.runner.Open(x.Stack, release)
	if err != nil {
		return nil, err
	}
	x.Mask.Add(kept.Project.Secrets()...)
	return kept, nil
}

func (r *Runner) resolveKept(stack *Stack, release *state.Release) (*project.Project, error) {
	kept, err := r.Open(stack, release)
	if err != nil {
		return nil, err
	}
	return kept.Project, nil
}

// world is what the kept release's checks may look at.
func (k *KeptRelease) world(x *Execution) *check.World {
	w := x.world()
	w.Project, w.Env, w.Tree, w.Dir = k.Project, k.Env, k.Recipe, k.Dir
	w.Backups = lastBackups{x, k.Project}
	w.ReadFile = func(name string) ([]byte, error) { return fs.ReadFile(k.Recipe, path.Join(k.Dir, name)) }
	return w
}
