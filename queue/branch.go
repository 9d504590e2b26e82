package queue

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/state"
)

// lookAgain is the time after which a branch that could not be looked at is
// tried again.
const lookAgain = 15 * time.Second

// A branch is what templates follow. It is looked at as a whole, at the start,
// after each push and at its interval: which folders there are, and which of
// them a push concerns.
type branch struct {
	repository string
	name       string // short
	mirror     *gitsync.Mirror
	poll       time.Duration
	templates  []*Template
	wake       chan struct{} // gets a signal when a push was announced
	pulled     chan struct{} // likewise, of a pull request
	said       string        // the collisions that were logged last
}

// watchBranches looks at the branches of the templates until ctx ends. The
// channel is closed when it has stopped.
func (q *Queue) watchBranches(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			o := q.setup.Load().origin
			watching, stop := context.WithCancel(ctx)
			var group sync.WaitGroup
			for _, b := range o.branches {
				group.Go(func() { q.watchBranch(watching, b) })
				group.Go(func() { q.watchPulls(watching, b) })
			}
			select {
			case <-ctx.Done():
			case <-o.replaced:
			}
			stop()
			group.Wait()
		}
	}()
	return done
}

func (q *Queue) watchBranch(ctx context.Context, b *branch) {
	var tick <-chan time.Time
	if b.poll > 0 {
		ticker := time.NewTicker(b.poll)
		defer ticker.Stop()
		tick = ticker.C
	}
	q.keepLooking(ctx, b, "look at a branch for the stacks in its folders", q.lookAt, b.wake, tick)
}

// keepLooking looks until ctx ends: now, after each signal and tick, and soon
// after a look that failed.
func (q *Queue) keepLooking(ctx context.Context, b *branch, what string, look func(context.Context, *branch) error, wake <-chan struct{}, tick <-chan time.Time) {
	for {
		var again <-chan time.Time
		if err := look(ctx, b); err != nil && ctx.Err() == nil {
			q.log.Warn(what, "repository", b.repository, "branch", b.name, "error", err, "hint", pipeline.Hint(err))
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick:
		case <-wake:
		case <-again:
		}
	}
}

// lookSoon has the branches of a repository, or the pull requests on them,
// looked at.
func (q *Queue) lookSoon(d *delivery) {
	for _, b := range q.setup.Load().origin.branches {
		if b.repository != d.repository {
			continue
		}
		if d.pushed {
			signal(b.wake)
		}
		if d.pulled {
			signal(b.pulled)
		}
	}
}

func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// lookAt brings the stacks in line with the folders of the branch's tip, and
// queues a run for each that the way there from its last run concerns. What is
// cut off is done again by the next look.
func (q *Queue) lookAt(ctx context.Context, b *branch) error {
	announced, err := q.announced(b) // before the fetch: what comes later is for the next look
	if err != nil {
		return err
	}
	snapshot, err := b.mirror.Fetch(ctx, b.name)
	if err != nil {
		return err
	}
	found := map[string][]string{}
	for _, t := range b.templates {
		if found[t.Name], err = t.folders(snapshot); err != nil {
			return err
		}
	}
	inForce, err := q.refold(b, snapshot.Commit, found)
	if err != nil || !inForce {
		return err
	}
	if err := q.queueConcerned(ctx, b, snapshot, announced); err != nil {
		return fmt.Errorf("queue what %s concerns: %w", state.ShortCommit(snapshot.Commit), err)
	}
	return q.keepCommits(b.mirror)
}

// announced are the pushes that wait for a look, the newest last.
func (q *Queue) announced(b *branch) (out []state.Announced, err error) {
	err = q.store.View(func(tx *state.Tx) error {
		out = nil
		for _, t := range b.templates {
			kept, err := tx.Template(t.Name)
			if err != nil {
				return err
			}
			out = append(out, kept.Pending...)
		}
		return nil
	})
	return out, err
}

// refold puts the folders that were found in the place of those that were
// known. It reports false where deployer.yaml was read again meanwhile: then
// the look was for nothing.
func (q *Queue) refold(b *branch, tip string, found map[string][]string) (inForce bool, err error) {
	q.folding.Lock()
	defer q.folding.Unlock()
	o := q.setup.Load().origin
	if !slices.Contains(o.branches, b) {
		return false, nil
	}
	var e *expansion
	again := false // pull requests are to be looked at
	err = q.store.Update(func(tx *state.Tx) error {
		kept, err := keptTemplates(tx, o)
		if err != nil {
			return err
		}
		before := map[string][]string{}
		for _, t := range o.templates {
			before[t.Name] = slices.Clone(kept[t.Name].Folders)
		}
		for _, t := range b.templates {
			k := kept[t.Name]
			k.Left = slices.DeleteFunc(append(k.Left, k.Folders...), func(d string) bool { return slices.Contains(found[t.Name], d) })
			slices.Sort(k.Left)
			k.Left = slices.Compact(k.Left)
			k.Head, k.Folders = tip, found[t.Name]
		}
		e = o.expand(kept, func(t *Template, directory string) bool { return slices.Contains(before[t.Name], directory) })
		for _, t := range b.templates {
			k := kept[t.Name]
			k.Folders = slices.DeleteFunc(slices.Clone(k.Folders), func(d string) bool { return !e.has(t, d) })
			if !slices.Equal(before[t.Name], k.Folders) {
				lookAtPullsAgain(k, b.name+" has other folders")
				again = again || len(k.Pulls) > 0
			}
			if err := tx.PutTemplate(k); err != nil {
				return err
			}
		}
		return putWarnings(tx, e.warnings(b.templates))
	})
	if err != nil {
		return false, err
	}
	if again {
		signal(b.pulled)
	}
	q.sayCollisions(b, e.collisions)
	return true, q.swap(&setup{stacks: e.stacks, workers: o.workers, origin: o, replaced: make(chan struct{})})
}

// keptTemplates is what is kept of every template, by name.
func keptTemplates(tx *state.Tx, o *origin) (map[string]*state.Template, error) {
	kept := map[string]*state.Template{}
	for _, t := range o.templates {
		k, err := tx.Template(t.Name)
		if err != nil {
			return nil, err
		}
		kept[t.Name] = k
	}
	return kept, nil
}

func putWarnings(tx *state.Tx, warnings map[string]string) error {
	for name, text := range warnings {
		known, err := tx.Stack(name)
		if err != nil {
			return err
		}
		if known.Warning == text {
			continue
		}
		known.Warning = text
		if err := tx.PutStack(known); err != nil {
			return err
		}
	}
	return nil
}

// sayCollisions logs what is not a stack, and why, once.
func (q *Queue) sayCollisions(b *branch, collisions []collision) {
	var texts []string
	for _, c := range collisions {
		texts = append(texts, c.text)
	}
	said := strings.Join(texts, "\n")
	if said == b.said {
		return
	}
	b.said = said
	for _, text := range texts {
		q.log.Error(text, "repository", b.repository, "branch", b.name, "hint", refusedHint)
	}
}
