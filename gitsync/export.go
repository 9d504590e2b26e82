package gitsync

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Export writes the files of a commit of the repository that a folder on this
// machine belongs to into another folder, which must be empty, and returns the
// commit's id. The revision is HEAD, a branch, a tag or a commit. It changes
// nothing of the repository, and asks no remote: of a submodule that is checked
// out the recorded commit is written, where it is there; others are empty
// folders.
func Export(repository, revision, into string) (commit string, err error) {
	repo, err := git.PlainOpenWithOptions(repository, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return "", fmt.Errorf("%s: %w", repository, err)
	}
	h, err := repo.ResolveRevision(plumbing.Revision(revision))
	if err != nil {
		return "", fmt.Errorf("%s has no commit %s: %w", repository, revision, err)
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return "", err
	}
	defer root.Close()
	if err := exportCommit(root, ".", repo, *h, 0); err != nil {
		return "", fmt.Errorf("%s: commit %s: %w", repository, revision, err)
	}
	return h.String(), nil
}

// exportCommit writes the files of a commit into a folder of root.
func exportCommit(root *os.Root, at string, repo *git.Repository, commit plumbing.Hash, depth int) error {
	c, err := repo.CommitObject(commit)
	if err != nil {
		return err
	}
	tree, err := c.Tree()
	if err != nil {
		return err
	}
	if err := tree.Files().ForEach(func(f *object.File) error { return exportFile(root, at, f) }); err != nil {
		return err
	}
	walker := object.NewTreeWalker(tree, true, nil)
	defer walker.Close()
	for {
		name, e, err := walker.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Mode != filemode.Submodule {
			continue
		}
		to := path.Join(at, name)
		if err := root.MkdirAll(to, 0o700); err != nil {
			return err
		}
		if inner := checkedOut(repo, name, e.Hash); inner != nil && depth < maxNested {
			if err := exportCommit(root, to, inner, e.Hash, depth+1); err != nil {
				return fmt.Errorf("submodule %s: %w", to, err)
			}
		}
	}
}

// checkedOut opens the submodule at a path of a repository on this machine;
// nil where it is not checked out, or lacks the commit.
func checkedOut(repo *git.Repository, at string, commit plumbing.Hash) *git.Repository {
	tree, err := repo.Worktree()
	if err != nil {
		return nil
	}
	inner, err := git.PlainOpenWithOptions(filepath.Join(tree.Filesystem.Root(), filepath.FromSlash(at)), &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return nil
	}
	if _, err := inner.CommitObject(commit); err != nil {
		return nil
	}
	return inner
}

// exportFile writes one file. Links are made as links, which who reads the
// folder refuses as it refuses those of the commit.
func exportFile(root *os.Root, at string, f *object.File) (err error) {
	to := path.Join(at, f.Name)
	if err := root.MkdirAll(path.Dir(to), 0o700); err != nil {
		return err
	}
	if f.Mode == filemode.Symlink {
		target, err := f.Contents()
		if err != nil {
			return err
		}
		return root.Symlink(target, to)
	}
	mode := os.FileMode(0o600)
	if f.Mode == filemode.Executable {
		mode = 0o700
	}
	in, err := f.Reader()
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := root.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, MaxFile))
	return errors.Join(err, out.Close())
}
