package gitsync

import (
	"context"
	"errors"
	"os/exec"
	"slices"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	"github.com/go-git/go-git/v5/plumbing/transport/file"
	"github.com/go-git/go-git/v5/plumbing/transport/server"
)

// localSession opens a session to a repository on this machine: by the git
// binary, or by go-git itself where git is not installed.
func localSession(l login) (transport.UploadPackSession, error) {
	if _, err := exec.LookPath("git"); err == nil {
		return file.DefaultClient.NewUploadPackSession(l.endpoint, nil)
	}
	repo, err := git.PlainOpenWithOptions(l.endpoint.Path, &git.PlainOpenOptions{EnableDotGitCommonDir: true})
	if errors.Is(err, git.ErrRepositoryNotExists) {
		return nil, transport.ErrRepositoryNotFound
	}
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(storerLoader{repo.Storer}).NewUploadPackSession(l.endpoint, nil)
	return inProcess{s, repo.Storer}, err
}

type storerLoader struct{ storer.Storer }

func (l storerLoader) Load(*transport.Endpoint) (storer.Storer, error) { return l.Storer, nil }

// inProcess is a session with go-git's own server, which knows neither shallow
// histories nor commits that the client has and the repository has lost.
type inProcess struct {
	transport.UploadPackSession
	repo storer.EncodedObjectStorer
}

func (s inProcess) UploadPack(ctx context.Context, req *packp.UploadPackRequest) (*packp.UploadPackResponse, error) {
	req.Haves = slices.DeleteFunc(req.Haves, func(h plumbing.Hash) bool { return s.repo.HasEncodedObject(h) != nil })
	return s.UploadPackSession.UploadPack(ctx, req)
}
