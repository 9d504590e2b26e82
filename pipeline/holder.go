package pipeline

import (
	"context"
	"fmt"
	"path/filepath"

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

// formerHolder is the stack that keeps its files on a shelf, where something
// of it runs and it is not configured any more.
func (r *Runner) formerHolder(s *Stack, shelf string) (name string, err error) {
	err = r.store.View(func(tx *state.Tx) error {
		stacks, err := tx.Stacks()
		for _, other := range stacks {
			gone := s.Configured != nil && !s.Configured(other.Name)
			if gone && other.Name != s.Name && other.Live != nil && (other.Shelf == shelf || other.Shelf == "" && other.Name == shelf) {
				name = other.Name
			}
		}
		return err
	})
	return name, err
}
