package queue

import (
	"context"

	"deployer/gitsync"
	"deployer/state"
)

// keepSubmodules removes the mirrors of submodules that no stack reads any
// more, and has the others keep the commits that the next push is compared
// with. Releases that are run again need none: their files are kept.
func (q *Queue) keepSubmodules(ctx context.Context) {
	read := map[*gitsync.Mirror]map[string][]string{}
	for _, stack := range q.stacks() {
		if read[stack.Mirror] == nil {
			read[stack.Mirror] = map[string][]string{}
		}
		err := q.store.View(func(tx *state.Tx) error {
			known, err := tx.Stack(stack.Name)
			if err != nil {
				return err
			}
			for _, commit := range commitsOf(known) {
				read[stack.Mirror][commit] = append(read[stack.Mirror][commit], known.Reads...)
			}
			return nil
		})
		if err != nil {
			q.log.Warn("look for submodules that are read", "stack", stack.Name, "error", err)
			return
		}
	}
	for mirror, commits := range read {
		removed, err := mirror.KeepSubmodules(ctx, commits)
		if err != nil && ctx.Err() == nil {
			q.log.Warn("remove mirrors of submodules that nothing reads", "error", err, "hint", "nothing was lost; it is tried again in an hour")
		}
		if len(removed) > 0 {
			q.log.Info("removed mirrors of submodules that nothing reads", "paths", removed)
		}
	}
}
