package compose

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// own is what is known of the container that deployer itself runs in.
type own struct {
	id string // empty where it runs in none

	mu     sync.Mutex
	looked bool
	home   *Home // nil before it was looked for, and where it is on another Engine
}

// An OwnError is what would stop, replace or remove deployer itself.
type OwnError struct {
	Project   string // compose project; empty where it is about the container alone
	Container string
}

func (e *OwnError) Error() string {
	if e.Project == "" {
		return fmt.Sprintf("container %s is the one that deployer itself runs in: it would stop itself", e.Container)
	}
	return fmt.Sprintf("compose project %s is the one that deployer itself runs in, as container %s: it would stop itself", e.Project, e.Container)
}

// Hint says what to do about it.
func (e *OwnError) Hint() string {
	if e.Project == "" {
		return "keep what deployer mounts out of the volumes of stacks"
	}
	return "start deployer as a compose project of its own, or give the stack another one with project:"
}

// Own fails with an *OwnError where deployer itself runs in a container of a
// compose project. It asks nobody: before Home has found that container it
// knows of none. What would change such a project looks for itself.
func (t *Target) Own(projectName string) error {
	t.own.mu.Lock()
	defer t.own.mu.Unlock()
	return t.own.home.refuses(projectName)
}

func (h *Home) refuses(projectName string) error {
	if h != nil && h.Project != "" && h.Project == projectName {
		return &OwnError{Project: projectName, Container: h.Container}
	}
	return nil
}

// spareProject fails where a project is the one of deployer's own container.
func (t *Target) spareProject(ctx context.Context, projectName string) error {
	home, err := t.Home(ctx)
	if err != nil {
		return err
	}
	return home.refuses(projectName)
}

// spare fails where one of the containers is deployer's own.
func (t *Target) spare(ctx context.Context, ids ...string) error {
	home, err := t.Home(ctx)
	if err != nil || home == nil {
		return err
	}
	if slices.ContainsFunc(ids, func(id string) bool { return id != "" && strings.HasPrefix(home.own.ID, id) }) {
		return &OwnError{Container: home.Container}
	}
	return nil
}
