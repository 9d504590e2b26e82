package pipeline

import (
	"context"
	"errors"
	"fmt"
	"time"

	"deployer/project"
	"deployer/state"
)

const letGoWithin = 5 * time.Minute // for what was held to go on, whatever became of the run

// hold pauses or stops the containers of the stack that use the volumes, once
// it is on disk which they are.
func (x *Execution) hold(ctx context.Context, v Volumes, users []project.VolumeUser, stop bool) error {
	startOrder(x.Project, users)
	h := &state.Hold{Stack: x.Stack.Name, Project: x.Stack.Project, Run: x.Run.ID, Stopped: stop}
	for _, u := range users {
		if u.Project == x.Stack.Project && (u.State == "running" || u.State == "restarting") {
			h.Containers = append(h.Containers, u.ID)
		}
	}
	if len(h.Containers) == 0 {
		return nil
	}
	if err := x.journal.Commit(x.Run, func(tx *state.Tx) error { return tx.PutHold(h) }); err != nil {
		return fmt.Errorf("note which containers are about to be held: %w", err)
	}
	if stop {
		return v.StopContainers(ctx, h.Containers)
	}
	return v.Pause(ctx, h.Containers)
}

// LetGo lets what the stack's runs hold go on again, also where the run was
// canceled or the server stops. What fails is tried again by the queue. It is
// left alone where unless says so.
func (r *Runner) LetGo(s *Stack, unless func() bool) error {
	r.holds.Lock()
	defer r.holds.Unlock()
	if unless != nil && unless() {
		return nil
	}
	var h *state.Hold
	err := r.store.View(func(tx *state.Tx) (err error) {
		h, err = tx.Hold(s.Name)
		return err
	})
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	v, err := s.volumes()
	if err != nil {
		return err
	}
	ctx, done := context.WithTimeout(context.Background(), letGoWithin)
	defer done()
	if err := v.LetGo(ctx, h.Project, h.Containers, h.Stopped); err != nil {
		return WithHint(fmt.Errorf("containers that were held for a backup do not go on: %w", err),
			"deployer tries again every few seconds; docker ps -a shows them, docker unpause or docker start does it by hand")
	}
	return r.store.Update(func(tx *state.Tx) error { return tx.DeleteHold(s.Name) })
}
