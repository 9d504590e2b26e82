package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// A demoRepo is the demo's config repository, made without the git program.
type demoRepo struct {
	dir  string
	repo *git.Repository
}

func initDemoRepo(dir string) (*demoRepo, error) {
	repo, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{
		InitOptions: git.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")},
	})
	if err != nil {
		return nil, err
	}
	r := &demoRepo{dir: dir, repo: repo}
	for _, name := range []string{"compose.yaml", "pipeline.yaml"} {
		content, err := fs.ReadFile(demoFiles, "demo/"+name)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// commit writes files, commits everything, and returns the commit's hash.
func (r *demoRepo) commit(subject string, files map[string][]byte) (string, error) {
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(r.dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	tree, err := r.repo.Worktree()
	if err != nil {
		return "", err
	}
	if err := tree.AddGlob("."); err != nil {
		return "", err
	}
	hash, err := tree.Commit(subject, &git.CommitOptions{
		Author: &object.Signature{Name: "Ada", Email: "ada@example.com", When: time.Now()},
	})
	return hash.String(), err
}
