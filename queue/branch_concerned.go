package queue

import (
	"context"
	"errors"
	"slices"
	"strings"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/state"
)

// changesSince are the paths that differ between commits and a snapshot.
type changesSince struct {
	to     *gitsync.Snapshot
	mirror *gitsync.Mirror
	known  map[string][]string
}

// from returns false where the commit is not in the mirror any more.
func (c *changesSince) from(ctx context.Context, commit string) (paths []string, ok bool, err error) {
	if paths, ok := c.known[commit]; ok {
		return paths, true, nil
	}
	before, err := c.mirror.Snapshot(ctx, commit)
	if errors.Is(err, gitsync.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if paths, err = gitsync.Diff(ctx, before, c.to); err != nil {
		return nil, false, err
	}
	c.known[commit] = paths
	return paths, true, nil
}

// queueConcerned queues the runs of one look.
func (q *Queue) queueConcerned(ctx context.Context, b *branch, tip *gitsync.Snapshot, announced []state.Announced) error {
	changes := &changesSince{to: tip, mirror: b.mirror, known: map[string][]string{}}
	stacks := q.inFolders(b)
	concerned := map[string]bool{}
	judged := map[string]string{} // by stack: the commit that was compared with
	for _, s := range stacks {
		var known *state.Stack
		if err := q.store.View(func(tx *state.Tx) (err error) {
			known, err = tx.Stack(s.Name)
			return err
		}); err != nil {
			return err
		}
		if known.Judged != nil {
			judged[s.Name] = known.Judged.Commit
		}
		var err error
		if concerned[s.Name], err = concernedIn(ctx, s, known, changes, len(announced) > 0); err != nil {
			return err
		}
	}
	var queued, superseded, reviews []*state.Run
	err := q.store.Update(func(tx *state.Tx) error {
		queued, superseded = nil, nil
		for _, s := range stacks {
			known, err := tx.Stack(s.Name)
			if err != nil {
				return err
			}
			if !concerned[s.Name] {
				if err := agree(tx, known, judged[s.Name], tip.Commit); err != nil {
					return err
				}
				continue
			}
			if j := known.Judged; j != nil && j.Commit == tip.Commit && judged[s.Name] != tip.Commit {
				continue // by a run that has ended since it was compared
			}
			run, err := q.runOfLook(tx, s, known, tip, announced)
			if err != nil || run == nil {
				if err != nil {
					return err
				}
				continue
			}
			queued = append(queued, run)
			if err := q.enqueue(tx, run, &superseded); err != nil {
				return err
			}
		}
		moved, err := q.reviewsMoved(tx, queued)
		if err != nil {
			return err
		}
		reviews = moved
		return errors.Join(settleAnnounced(tx, b, announced), rememberRuns(tx, b.repository, announced, queued))
	})
	if err == nil && len(queued) > 0 {
		q.changed(slices.Concat(superseded, queued, reviews)...)
	}
	return err
}

// reviewsMoved has the reviews planned again of the stacks that runs are
// queued for.
func (q *Queue) reviewsMoved(tx *state.Tx, queued []*state.Run) ([]*state.Run, error) {
	a := &acceptance{q: q, tx: tx, now: q.now().UTC(), known: map[string]*state.Stack{}}
	for _, run := range queued {
		stack, err := q.stack(run.Stack)
		if err != nil {
			continue // deployer.yaml was read again meanwhile
		}
		by := run.Trigger
		if err := a.baseMoved(stack, by); err != nil {
			return nil, err
		}
	}
	return a.changed, a.store()
}

// inFolders are the stacks in the folders of a branch, by name.
func (q *Queue) inFolders(b *branch) []*pipeline.Stack {
	var out []*pipeline.Stack
	for _, s := range q.stacks() {
		if !s.Left && slices.ContainsFunc(b.templates, func(t *Template) bool { return t.Name == s.Template }) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *pipeline.Stack) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// concernedIn reports whether a stack wants a run for the tip: it had none yet,
// one of its files changed since the last, or that is worth another try.
func concernedIn(ctx context.Context, s *pipeline.Stack, known *state.Stack, changes *changesSince, pushed bool) (bool, error) {
	j := known.Judged
	switch {
	case j == nil, j.Outage:
		return true, nil
	case j.Commit == changes.to.Commit:
		return pushed && j.Again, nil
	case j.Again && j.Release == "": // what its files read is not known
		return true, nil
	}
	paths, ok, err := changes.from(ctx, j.Commit)
	if err != nil || !ok {
		return !ok, err
	}
	concerned, err := pipeline.Concerns(paths, s.Directory, known.Paths, known.Reads)
	return concerned != "", err
}

// agree notes that the tip is as good to a stack as the commit that its last
// run was for.
func agree(tx *state.Tx, known *state.Stack, judged, tip string) error {
	j := known.Judged
	if j == nil || j.Commit != judged || known.Head == tip && j.Commit == tip {
		return nil
	}
	known.Head = tip
	if j.Status == state.RunSucceeded || j.Status == state.RunUnchanged {
		j.Commit = tip
	}
	return tx.PutStack(known)
}

// runOfLook makes a stack's run for the tip; nil where it is held, or has one.
func (q *Queue) runOfLook(tx *state.Tx, s *pipeline.Stack, known *state.Stack, tip *gitsync.Snapshot, announced []state.Announced) (*state.Run, error) {
	run := &state.Run{
		ID: state.NewRunID(), Stack: s.Name, Kind: state.KindDeploy, Environment: s.Environment,
		Trigger: state.Trigger{Kind: state.TriggerPoll}, Commit: tip.Commit, Subject: tip.Subject, Author: tip.Author,
		Status: state.RunQueued, CreatedAt: q.now().UTC(), Stages: []state.StageResult{},
	}
	if n := len(announced); n > 0 {
		run.Trigger = state.Trigger{Kind: state.TriggerWebhook, Actor: announced[n-1].Actor, Delivery: announced[n-1].Delivery}
	}
	if known.Head != tip.Commit {
		known.Head, known.HeadRelease = tip.Commit, ""
		if err := tx.PutStack(known); err != nil {
			return nil, err
		}
	}
	if v, _ := admit(s, run, known, q.now()); v == verdictIgnore {
		return nil, nil
	}
	under, err := underWay(tx, run)
	if err != nil || under {
		return nil, err
	}
	return run, nil
}

// settleAnnounced forgets the pushes that were looked at.
func settleAnnounced(tx *state.Tx, b *branch, announced []state.Announced) error {
	for _, t := range b.templates {
		kept, err := tx.Template(t.Name)
		if err != nil {
			return err
		}
		before := len(kept.Pending)
		kept.Pending = slices.DeleteFunc(kept.Pending, func(a state.Announced) bool { return slices.Contains(announced, a) })
		if len(kept.Pending) == before {
			continue
		}
		if err := tx.PutTemplate(kept); err != nil {
			return err
		}
	}
	return nil
}

// rememberRuns notes what became of the newest delivery, so that it can be
// sent again where a run of it failed before it changed anything.
func rememberRuns(tx *state.Tx, repository string, announced []state.Announced, runs []*state.Run) error {
	if len(announced) == 0 || len(runs) == 0 {
		return nil
	}
	id := announced[len(announced)-1].Delivery
	if id == "" {
		return nil
	}
	taken, err := tx.Delivery(repository, id)
	if errors.Is(err, state.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, r := range runs {
		taken.Runs = append(taken.Runs, r.ID)
	}
	return tx.PutDelivery(repository, id, taken)
}
