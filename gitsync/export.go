package gitsync

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// Export writes the files of a commit of the repository that a folder on this
// machine belongs to into another folder, which must be empty, and returns the
// commit's id. The revision is HEAD, a branch, a tag or a commit. It changes
// nothing of the repository, and asks no remote.
func Export(repository, revision, into string) (commit string, err error) {
	repo, err := git.PlainOpenWithOptions(repository, &git.PlainOpenOptions{DetectDotGit: true, EnableDotGitCommonDir: true})
	if err != nil {
		return "", fmt.Errorf("%s: %w", repository, err)
	}
	h, err := repo.ResolveRevision(plumbing.Revision(revision))
	if err != nil {
		return "", fmt.Errorf("%s has no commit %s: %w", repository, revision, err)
	}
	c, err := repo.CommitObject(*h)
	if err != nil {
		return "", fmt.Errorf("%s: commit %s: %w", repository, revision, err)
	}
	tree, err := c.Tree()
	if err != nil {
		return "", fmt.Errorf("%s: commit %s: %w", repository, revision, err)
	}
	root, err := os.OpenRoot(into)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return h.String(), tree.Files().ForEach(func(f *object.File) error { return exportFile(root, f) })
}

// exportFile writes one file. Links are made as links, which who reads the
// folder refuses as it refuses those of the commit; submodules have no files.
func exportFile(root *os.Root, f *object.File) (err error) {
	if err := root.MkdirAll(path.Dir(f.Name), 0o700); err != nil {
		return err
	}
	if f.Mode == filemode.Symlink {
		target, err := f.Contents()
		if err != nil {
			return err
		}
		return root.Symlink(target, f.Name)
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
	out, err := root.OpenFile(f.Name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, io.LimitReader(in, MaxFile))
	return errors.Join(err, out.Close())
}
