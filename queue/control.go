package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/state"
)

// Deploy queues a person's deploy of the branch's tip, or of the commit that
// they want, which must be shown to be on the stack's branch.
func (q *Queue) Deploy(ctx context.Context, name string, by state.Trigger, want state.RunTarget) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	for _, f := range want.Force {
		if !slices.Contains([]string{"quarantine", "lock", "freeze"}, f) {
			return nil, &state.Refusal{Reason: fmt.Sprintf("force: %q is nothing that can be forced", f), Hint: "use quarantine, lock or freeze"}
		}
	}
	if want.Environment == stack.Environment {
		want.Environment = ""
	}
	if want.Commit != "" {
		if want.Commit, err = q.onBranch(ctx, stack, want.Commit); err != nil {
			return nil, err
		}
	}
	run := q.newRun(stack, state.KindDeploy, by, want)
	run.Commit = want.Commit
	return run, q.ask(run)
}

// onBranch returns the full hash of a commit that may be deployed; empty for
// the branch's tip, so that its deploy is one of the head.
func (q *Queue) onBranch(ctx context.Context, stack *pipeline.Stack, commit string) (string, error) {
	tip, err := stack.Mirror.Tip(ctx, stack.Branch)
	if err == nil && strings.HasPrefix(tip, commit) {
		return "", nil
	}
	var recorded []string
	err = q.store.View(func(tx *state.Tx) error {
		releases, err := tx.Releases(stack.Name)
		for _, r := range releases {
			if strings.HasPrefix(r.Commit, commit) && !slices.Contains(recorded, r.Commit) {
				recorded = append(recorded, r.Commit)
			}
		}
		return err
	})
	if err != nil {
		return "", err
	}
	if len(recorded) == 1 {
		return recorded[0], nil
	}
	if len(recorded) > 1 {
		return "", &state.Refusal{Reason: fmt.Sprintf("%s names %d commits", commit, len(recorded)), Hint: "give more of its characters"}
	}
	snapshot, err := stack.Mirror.FetchCommit(ctx, stack.Branch, commit)
	if errors.Is(err, gitsync.ErrNotOnBranch) {
		return "", &state.Refusal{Reason: fmt.Sprintf("%s is not on branch %s", commit, stack.Branch), Hint: "give the whole hash of a commit of the branch"}
	}
	if err != nil {
		return "", &state.Refusal{Reason: fmt.Sprintf("whether %s is on branch %s could not be found out: %v", commit, stack.Branch, err), Hint: "give the whole hash of a commit of the branch, and see that the Git server answers"}
	}
	return snapshot.Commit, nil
}

// Rollback queues a person's way back to a release: the good one before the
// live one, or the one that want names by run, commit or fingerprint.
func (q *Queue) Rollback(_ context.Context, name string, by state.Trigger, want state.RunTarget) (*state.Run, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	var to *state.Release
	err = q.store.View(func(tx *state.Tx) error {
		known, err := tx.Stack(name)
		if err != nil {
			return err
		}
		releases, err := tx.Releases(name)
		if err != nil {
			return err
		}
		to, err = pickRelease(known, releases, want.Release)
		return err
	})
	if err != nil {
		return nil, err
	}
	want.Release = to.ID
	run := q.newRun(stack, state.KindRollback, by, want)
	run.Commit, run.Subject, run.Environment = to.Commit, to.Subject, to.Environment
	return run, q.ask(run)
}

// pickRelease finds the release to go back to among those that were verified.
func pickRelease(known *state.Stack, releases []*state.Release, want string) (*state.Release, error) {
	slices.SortFunc(releases, func(a, b *state.Release) int { return b.At.Compare(a.At) })
	for _, r := range releases {
		if r.VerifiedAt == nil {
			continue
		}
		if want == "" {
			if (known.Live == nil || r.ID != known.Live.ID) && known.FindQuarantine(r.ID) == nil {
				return r, nil
			}
			continue
		}
		if r.ID == want || r.Run == want || (len(want) >= 4 && (strings.HasPrefix(r.Commit, want) || strings.HasPrefix(r.ID, want))) {
			return r, nil
		}
	}
	if want != "" {
		return nil, &state.Refusal{Reason: fmt.Sprintf("no verified release of %s is known as %s", known.Name, want), Hint: "`deployer runs` lists them"}
	}
	return nil, &state.Refusal{Reason: "there is no good release before the live one", Hint: "deploy a commit instead"}
}

func (q *Queue) newRun(stack *pipeline.Stack, kind state.RunKind, by state.Trigger, want state.RunTarget) *state.Run {
	environment := stack.Environment
	if want.Environment != "" {
		environment = want.Environment
	}
	run := &state.Run{
		ID: state.NewRunID(), Stack: stack.Name, Kind: kind, Trigger: by, Want: want, Environment: environment,
		Status: state.RunQueued, CreatedAt: q.now().UTC(), Stages: []state.StageResult{},
	}
	if kind.OfRelease() {
		run.Forge = stack.Forge()
	}
	return run
}

// ask queues what a person wants, where nothing refuses it.
func (q *Queue) ask(run *state.Run) error {
	stack, ok := q.stackOf(run)
	if !ok {
		return fmt.Errorf("stack %s: %w", run.Stack, state.ErrNotFound)
	}
	var superseded []*state.Run
	err := q.store.Update(func(tx *state.Tx) error {
		known, err := tx.Stack(run.Stack)
		if err != nil {
			return err
		}
		switch v, what := admit(stack, run, known, q.now()); {
		case v != verdictRefuse:
			return q.enqueue(tx, run, &superseded)
		case what == obstacleFreeze:
			until, _ := pipeline.FrozenUntil(stack.Freezes, q.now())
			return &state.Refusal{
				Reason: fmt.Sprintf("%s is frozen until %s", run.Stack, until.Format("Mon 2006-01-02 15:04 MST")),
				Hint:   "wait, or repeat with force: freeze",
			}
		}
		return &state.Refusal{
			Reason: fmt.Sprintf("%s is locked by %s: %s", run.Stack, known.Lock.By, known.Lock.Reason),
			Hint:   "unlock it, or repeat with force: lock",
		}
	})
	if err == nil {
		q.changed(append(superseded, run)...)
	}
	return err
}

// Lock holds pushes back until Unlock.
func (q *Queue) Lock(_ context.Context, name string, by state.Trigger) error {
	return q.change(name, func(s *state.Stack) error {
		if s.Lock != nil {
			return &state.Refusal{Reason: fmt.Sprintf("%s is locked already by %s: %s", name, s.Lock.By, s.Lock.Reason), Hint: "unlock it first"}
		}
		s.Lock = &state.Lock{Reason: by.Reason, By: by.Actor, At: q.now().UTC()}
		return nil
	})
}

// Unlock lets what waits go on.
func (q *Queue) Unlock(_ context.Context, name string, _ state.Trigger) error {
	return q.change(name, func(s *state.Stack) error {
		s.Lock = nil
		return nil
	})
}

// Unpin lets pushes deploy again.
func (q *Queue) Unpin(_ context.Context, name string, _ state.Trigger) error {
	return q.change(name, func(s *state.Stack) error {
		s.Pin = nil
		return nil
	})
}

// Release takes a release, named by fingerprint or commit, out of quarantine.
func (q *Queue) Release(_ context.Context, name, release string, _ state.Trigger) error {
	return q.change(name, func(s *state.Stack) error {
		for _, held := range s.Quarantined {
			if held.Release == release || held.Commit == release {
				s.DropQuarantine(held.Release)
				return nil
			}
		}
		return fmt.Errorf("quarantined release %s: %w", release, state.ErrNotFound)
	})
}

func (q *Queue) change(name string, fn func(*state.Stack) error) error {
	if _, err := q.stack(name); err != nil {
		return err
	}
	err := q.store.Update(func(tx *state.Tx) error {
		known, err := tx.Stack(name)
		if err != nil {
			return err
		}
		if err := fn(known); err != nil {
			return err
		}
		return tx.PutStack(known)
	})
	if err == nil {
		q.Wake()
	}
	return err
}

// Plan says what a deploy of the tip, or of a commit, would change. It
// touches nothing.
func (q *Queue) Plan(ctx context.Context, name, commit string) (*state.Changes, error) {
	stack, err := q.stack(name)
	if err != nil {
		return nil, err
	}
	if commit != "" {
		if commit, err = q.onBranch(ctx, stack, commit); err != nil {
			return nil, err
		}
	}
	run := q.newRun(stack, state.KindDeploy, state.Trigger{Kind: state.TriggerAPI}, state.RunTarget{Commit: commit})
	return q.runner.Plan(ctx, stack, run)
}

func (q *Queue) stack(name string) (*pipeline.Stack, error) {
	s, ok := q.stacks()[name]
	if !ok {
		return nil, fmt.Errorf("stack %s: %w", name, state.ErrNotFound)
	}
	return s, nil
}
