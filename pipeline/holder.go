package pipeline

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"deployer/project"
	"deployer/state"
)

// workingDir is the label by which containers tell whose folders they mount.
const workingDir = "com.docker.compose.project.working_dir"

// checkHolder refuses the first deploy of a stack whose project was deployed
// as another stack that deployer.yaml does not have any more: it was renamed,
// and a deploy would leave its data and its history behind.
func (x *Execution) checkHolder(ctx context.Context) (string, error) {
	containers, err := x.Stack.Target.Containers(ctx, x.Stack.Project)
	if err != nil {
		return "", err
	}
	for _, c := range containers {
		shelf := filepath.Dir(c.Labels[workingDir])
		if filepath.Dir(shelf) != filepath.Dir(filepath.Dir(x.Stack.Roots.Data)) {
			continue
		}
		holder, err := x.runner.formerHolder(x.Stack, filepath.Base(shelf))
		if err != nil {
			return "", err
		}
		if holder != "" {
			return "", WithHint(fmt.Errorf("compose project %s was deployed as stack %s, which is no longer in deployer.yaml", x.Stack.Project, holder),
				fmt.Sprintf("where %s is its new name, give it renamed_from: %s and reload: history, data and containers stay", x.Stack.Name, holder))
		}
	}
	return fmt.Sprintf("no other stack has deployed %s", x.Stack.Project), nil
}

// heldByOther says which other stack has the project, where nothing of the
// stack itself is new: a container that would have to change was made for that
// one. Environments of one folder take turns so, and neither a poll nor a push
// that is for the other one takes the project over.
func (x *Execution) heldByOther(services []state.ServiceChange, observed []project.Container) (string, error) {
	if x.Known.Live == nil || x.Known.Live.ID != x.Release.ID || x.again != nil ||
		x.Run.Phase != state.PhasePreparing || x.Run.Trigger.Kind.ByPerson() || x.Run.Trigger.Kind == state.TriggerRecovery {
		return "", nil
	}
	for _, c := range observed {
		changes := slices.ContainsFunc(services, func(s state.ServiceChange) bool { return s.Name == c.Service && s.Changes() })
		shelf := filepath.Dir(c.Labels[workingDir])
		if !changes || shelf == filepath.Dir(x.Stack.Roots.Data) || filepath.Dir(shelf) != filepath.Dir(filepath.Dir(x.Stack.Roots.Data)) {
			continue
		}
		if holder, err := x.runner.ownerOf(filepath.Base(shelf), x.Stack.Configured); holder != "" || err != nil {
			return holder, err
		}
	}
	return "", nil
}

// formerHolder is the stack that keeps its files on a shelf, where something
// of it runs and it is not configured any more.
func (r *Runner) formerHolder(s *Stack, shelf string) (name string, err error) {
	return r.ownerOf(shelf, func(name string) bool { return name != s.Name && s.Configured != nil && !s.Configured(name) })
}

// ownerOf is the stack that keeps its files on a shelf, of those that are meant.
func (r *Runner) ownerOf(shelf string, meant func(name string) bool) (name string, err error) {
	err = r.store.View(func(tx *state.Tx) error {
		stacks, err := tx.Stacks()
		for _, s := range stacks {
			if s.Live != nil && (s.Shelf == shelf || s.Shelf == "" && s.Name == shelf) && meant != nil && meant(s.Name) {
				name = s.Name
			}
		}
		return err
	})
	return name, err
}
