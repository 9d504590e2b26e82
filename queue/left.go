package queue

import (
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// leftOf is what is still down of what a failed run has left so.
func leftOf(was *state.Left, troubles []pipeline.Trouble) *state.Left {
	if was == nil {
		return nil
	}
	now := &state.Left{Run: was.Run, Looked: true}
	for _, t := range troubles {
		if !was.Looked || slices.Contains(was.Units, t.Name) {
			now.Units = append(now.Units, t.Name)
		}
	}
	if len(now.Units) == 0 {
		return nil
	}
	return now
}

// keepLeft stores what is still down of what a failed run has left so.
func (w *watchdog) keepLeft(known *state.Stack, s sight) error {
	if known.Left == nil || s.left != nil && known.Left.Looked && len(s.left.Units) == len(known.Left.Units) {
		return nil
	}
	return w.store.Update(func(tx *state.Tx) error {
		now, err := tx.Stack(known.Name)
		if err != nil || now.Left == nil || now.Left.Run != known.Left.Run {
			return err // a run has ended meanwhile
		}
		now.Left = s.left
		return tx.PutStack(now)
	})
}
