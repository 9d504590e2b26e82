package queue

import (
	"fmt"
	"maps"
	"slices"

	"deployer/pipeline"
	"deployer/state"
)

// Rename gives the stacks that say what they were before all that is kept of
// that. It is called before the queue serves; later, Reload does the same.
func (q *Queue) Rename() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.rename(q.stacks())
}

// rename makes sure that no two stacks share a shelf, and moves the history of
// those that have another name now. q.mu is held: nothing starts meanwhile.
func (q *Queue) rename(stacks map[string]*pipeline.Stack) error {
	names := slices.Sorted(maps.Keys(stacks))
	held := map[string]string{} // by shelf
	for _, name := range names {
		s := stacks[name]
		if other := held[s.ShelfName()]; other != "" {
			first, second := other, name
			if stacks[first].ShelfName() == first {
				first, second = second, first
			}
			return pipeline.WithHint(fmt.Errorf("stack %s, which had the name %s once, keeps its files under it: stack %s cannot have it", first, s.ShelfName(), second),
				"give "+second+" another name")
		}
		held[s.ShelfName()] = name
	}
	return q.store.Update(func(tx *state.Tx) error {
		for _, name := range names {
			before := stacks[name].RenamedFrom
			if before == "" {
				continue
			}
			keeps, err := tx.Keeps(before)
			if err != nil {
				return err
			}
			if !keeps { // it has happened already
				continue
			}
			if err := q.takeOver(tx, stacks[name], before); err != nil {
				return err
			}
		}
		return nil
	})
}

func (q *Queue) takeOver(tx *state.Tx, s *pipeline.Stack, before string) error {
	if err := q.mayRename(tx, s, before); err != nil {
		return err
	}
	if err := tx.RenameStack(before, s.Name); err != nil {
		return fmt.Errorf("rename stack %s to %s: %w", before, s.Name, err)
	}
	q.log.Info("a stack has another name now, and its history with it", "stack", s.Name, "before", before)
	return tx.PutAudit(&state.AuditEntry{
		At: q.now().UTC(), Actor: "deployer.yaml", Action: "rename", Stack: s.Name, Reason: "renamed_from: " + before,
	})
}

// mayRename refuses what would mix two histories, or part one from what runs.
func (q *Queue) mayRename(tx *state.Tx, s *pipeline.Stack, before string) error {
	now, err := tx.Stack(s.Name)
	if err != nil {
		return err
	}
	was, err := tx.Stack(before)
	if err != nil {
		return err
	}
	for id, r := range q.running {
		if r.stack.Name == before || r.stack.Name == s.Name {
			return pipeline.WithHint(fmt.Errorf("run %s of stack %s is under way: it cannot be renamed now", id, r.stack.Name), "reload again once the run is over")
		}
	}
	if now.Live != nil {
		return pipeline.WithHint(fmt.Errorf("stack %s was deployed already: it cannot take over the history of %s", s.Name, before),
			"take renamed_from out, or give the stack a new name")
	}
	if was.Live != nil && was.Project != "" && was.Project != s.Project {
		return pipeline.WithHint(fmt.Errorf("stack %s, which is %s now, runs as compose project %s, and would become %s beside it", before, s.Name, was.Project, s.Project),
			"keep it with project: "+was.Project)
	}
	return nil
}
