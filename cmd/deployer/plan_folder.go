package main

import (
	"fmt"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/project"
	"deployer/secrets"
	"deployer/state"
)

// planFlags are what says how a folder is planned.
type planFlags struct {
	stack, environment, project *string
	keys                        secrets.Keyring
	server                      *apiClient // nil: the folder is compared with HEAD
}

// planFolder compares a folder with what is live, or with HEAD.
func (f planFlags) planFolder(cmd *cobra.Command, arg string) (*state.Changes, error) {
	root, dir, err := findStack(arg)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	next, err := project.OpenDirTree(root)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	defer next.Close()
	if *f.project == "" {
		*f.project = projectName(next, root, dir)
	}
	revision, note := "HEAD", ""
	if f.server != nil {
		live, err := f.liveCommit(cmd)
		if err != nil {
			return nil, err
		}
		if revision = live; live == "" {
			note = "the server has never deployed this stack: all of it is new"
		}
	}
	into, err := os.MkdirTemp("", "deployer-plan-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(into)
	against := ""
	if revision != "" {
		if against, err = gitsync.Export(root, revision, into); err != nil {
			return nil, exitError{exitUsage, fmt.Errorf("%w; commit once, or git fetch what the server has live", err)}
		}
	}
	base, err := project.OpenDirTree(into)
	if err != nil {
		return nil, err
	}
	defer base.Close()
	judge, err := folderPolicy("")
	if err != nil {
		return nil, err
	}
	changes, err := pipeline.PlanFolder(cmd.Context(), pipeline.Folder{
		Tree: next, Directory: dir, Project: *f.project, Environment: *f.environment, Keys: f.keys, Policy: judge, Advisory: true,
		New: against == "",
	}, base)
	if err != nil {
		return nil, exitError{exitUsage, err}
	}
	changes.Against = against
	if note != "" {
		changes.Notes = append(changes.Notes, note)
	}
	return changes, nil
}

// liveCommit is what the server runs of the stack; empty for nothing.
func (f planFlags) liveCommit(cmd *cobra.Command) (string, error) {
	name := *f.stack
	if name == "" {
		name = *f.project
	}
	var stack struct {
		Live *state.Release `json:"live"`
	}
	if err := f.server.do(cmd.Context(), http.MethodGet, stackPath(name, ""), nil, &stack); err != nil {
		return "", fmt.Errorf("stack %s: %w (--stack names another one)", name, err)
	}
	if stack.Live == nil {
		return "", nil
	}
	return stack.Live.Commit, nil
}
