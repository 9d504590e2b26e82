package pipeline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"deployer/state"
)

// bringBack puts back what the volume held before a restore that failed.
func bringBack(ctx context.Context, x *Execution) error {
	v, err := x.Stack.volumes()
	if err != nil {
		return err
	}
	r := x.Run.Replaces
	if r.Safety == "" {
		err := x.Step(ctx, "volume", func(ctx context.Context) (string, error) {
			return fmt.Sprintf("%s did not exist before and was removed", r.Volume), v.RemoveVolume(ctx, r.Volume)
		})
		if err != nil {
			return err
		}
		return errors.Join(x.replaced(), x.runner.LetGo(x.Stack, nil))
	}
	safety, err := x.openBackup(r.Safety)
	if err != nil {
		return err
	}
	defer safety.close()
	if err := x.replace(ctx, v, safety); err != nil {
		return err
	}
	return x.startAgain(ctx)
}

// settleKeeper locks a stack that a restore could not bring back. Where the
// volume is not whole, what uses it stays stopped.
func (x *Execution) settleKeeper(tx *state.Tx, s *state.Stack, end ending, at time.Time) error {
	if x.Run.Kind == state.KindRemove && x.Run.Status == state.RunSucceeded {
		settleRemoved(s)
	}
	if end.rollback == nil {
		return nil
	}
	s.Lock = &state.Lock{By: "deployer", At: at,
		Reason: fmt.Sprintf("restore %s failed and so did bringing back what was there; restore a backup, then unlock it", x.Run.ID)}
	if x.Run.Replaces.Done {
		return nil
	}
	return tx.DeleteHold(s.Name)
}

// keeperSentence says in what state a backup or restore that failed has left things.
func (x *Execution) keeperSentence(end ending) string {
	r := x.Run.Replaces
	var said []string
	switch {
	case x.Run.Kind != state.KindRestore:
	case r == nil:
		said = append(said, "the volume was not touched")
	case end.rollback != nil && !r.Done:
		said = append(said, fmt.Sprintf("and bringing back what was there failed: %v; volume %s is not whole, what uses it is stopped, and the stack is locked", end.rollback, r.Volume))
	case end.rollback != nil:
		said = append(said, fmt.Sprintf("volume %s holds what it held before, but the services did not come up: %v; the stack is locked", r.Volume, end.rollback))
	case slices.ContainsFunc(x.Run.Stages, func(s state.StageResult) bool { return s.Name == state.StageRollback }) && r.Safety == "":
		said = append(said, fmt.Sprintf("volume %s does not exist, as before", r.Volume))
	case slices.ContainsFunc(x.Run.Stages, func(s state.StageResult) bool { return s.Name == state.StageRollback }):
		said = append(said, fmt.Sprintf("volume %s holds what it held before, and its services run", r.Volume))
	default:
		said = append(said, fmt.Sprintf("volume %s holds the backup %s", r.Volume, x.Run.Want.Backup))
	}
	if r != nil && r.Safety != "" {
		said = append(said, "what it held before is backup "+r.Safety)
	}
	return strings.Join(append([]string{end.err.Error()}, said...), "; ")
}
