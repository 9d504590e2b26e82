package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"deployer/gitsync"
	"deployer/project"
	"deployer/state"
)

// reviewWay is what becomes of a pull request: a deploy's way as far as
// nothing is touched.
var reviewWay = []stage{
	{state.StageFetch, fetchReview, within(2 * time.Minute)},
	{state.StageDecrypt, decryptReview, within(time.Minute)},
	{state.StagePreflight, planReview, within(5 * time.Minute)},
}

// fetchReview brings what the pull request would become, and the base.
func fetchReview(ctx context.Context, x *Execution) error {
	err := x.Step(ctx, "fetch", x.fetchProposal)
	if err != nil {
		return err
	}
	if why, err := x.unconcernedByProposal(ctx); err != nil || why != "" {
		if err == nil {
			err = nothingToDo{why}
		}
		return err
	}
	proposed := x.Tree
	if x.Run.Review.Fork { // what is checked, and how, is the base's to say
		x.Tree = x.base
	}
	err = x.Step(ctx, FileName, x.readPipeline)
	x.Tree = proposed
	return err
}

func (x *Execution) fetchProposal(ctx context.Context) (string, error) {
	review := *x.Run.Review
	p, err := FetchProposal(ctx, x.Stack.Mirror, x.Stack.Provider, x.Stack.Branch, &review)
	if err != nil {
		return "", err
	}
	x.Snapshot, x.Tree, x.base = p.Snapshot, p.Snapshot, p.Base
	review.Behind = p.Behind
	merged := strings.HasSuffix(p.Ref, "/merge")
	if review.Head == "" && !merged {
		review.Head = p.Snapshot.Commit
	}
	x.Run.Review, x.Run.Commit = &review, p.Snapshot.Commit
	what := "the merge into " + review.Base
	if !merged {
		what = "the head alone"
		x.Run.Subject, x.Run.Author = p.Snapshot.Subject, p.Snapshot.Author
	}
	if review.Behind {
		what += ", which is behind " + review.Base
	}
	return fmt.Sprintf("pull request %d: %s, %s", review.Pull, state.ShortCommit(p.Snapshot.Commit), what), nil
}

// unconcernedByProposal says why a pull request does not concern the stack,
// where comparing it with the base proves it.
func (x *Execution) unconcernedByProposal(ctx context.Context) (string, error) {
	changed, err := gitsync.Diff(ctx, x.base, x.Snapshot)
	if err != nil {
		return "", err
	}
	if len(changed) == 0 {
		return fmt.Sprintf("%s has all of pull request %d", x.Run.Review.Base, x.Run.Review.Pull), nil
	}
	if x.Known.Live == nil {
		return "", nil // what the stack reads is not known yet
	}
	concerned, err := Concerns(changed, x.Stack.Directory, x.Known.Paths, x.Known.Reads)
	if err != nil || concerned != "" {
		return "", err
	}
	return fmt.Sprintf("pull request %d changes no file of this stack", x.Run.Review.Pull), nil
}

func decryptReview(ctx context.Context, x *Execution) error {
	if x.Run.Review.Fork {
		return skip{"what comes from another repository is never given a secret"}
	}
	return decrypt(ctx, x)
}

// planReview computes what the merge would do.
func planReview(ctx context.Context, x *Execution) error {
	if x.Run.Review.Fork {
		return x.planFork(ctx)
	}
	if err := x.resolveFiles(ctx); err != nil {
		return err
	}
	if err := x.refuseUnsupported(x.Project); err != nil {
		return err
	}
	changes, err := x.foresee(ctx)
	if err != nil {
		return err
	}
	changes.Notes = append(x.folderNotes(), changes.Notes...)
	x.Run.Changes = changes
	return x.judgePlan(changes)
}

// judgePlan says how a review ends: a deploy that would stop is no success.
func (x *Execution) judgePlan(changes *state.Changes) error {
	if failed := failedSteps(changes.Checks); len(failed) > 0 {
		return WithHint(fmt.Errorf("%s failed: the deploy would stop before it changes anything", strings.Join(failed, ", ")),
			"each failed step says what to do; then push to the pull request")
	}
	if changes.Empty() && len(changes.Pipeline) == 0 {
		return nothingToDo{"the merge would change nothing of this stack"}
	}
	return nil
}

// planFork compares a fork's files with the base's, both with the example's
// values in the place of the env: no secret, no key and no Engine takes part.
func (x *Execution) planFork(ctx context.Context) error {
	var before, after *project.Project
	var err error
	if _, there := fs.Stat(x.base, x.Stack.Directory); there == nil { // a folder that is new has no base
		if before, err = x.standIn(ctx, x.base); err != nil {
			return fmt.Errorf("the base: %w", err)
		}
	}
	err = x.Step(ctx, "compose", func(ctx context.Context) (string, error) {
		if after, err = x.standIn(ctx, x.Snapshot); err != nil {
			return "", hintElse(err, "correct the file and push again")
		}
		return counted(len(after.Services()), "service") + ", resolved without the env file", nil
	})
	if err != nil {
		return err
	}
	file, err := rawFileOf(x.Snapshot, x.Stack.Directory)
	if err != nil {
		return err
	}
	if err := x.refuseUnsupported(after); err != nil {
		return err
	}
	changes := compared(before, after)
	changes.Against = x.base.Commit
	x.detail(changes, side{before, x.FileRaw}, side{after, file})
	changes.Secrets, changes.Values = nil, nil // they are the example's
	changes.Notes = append(append(x.folderNotes(), changes.Notes...),
		"reduced: it comes from another repository, so nothing was decrypted and the values of "+x.exampleName()+" stand for the real ones",
		"compared with "+x.Run.Review.Base+", not with what runs; checks that need the environment run when it is merged")
	if len(changes.Pipeline) > 0 {
		changes.Notes = append(changes.Notes, FileName+" is changed too; the plan was made with that of "+x.Run.Review.Base)
	}
	x.Run.Changes = changes
	return x.judgePlan(changes)
}

// compared is what sets two projects apart, service by service.
func compared(before, after *project.Project) *state.Changes {
	difference := project.Compare(before, after)
	changes := &state.Changes{}
	add := func(name string, action state.ServiceAction) {
		changes.Services = append(changes.Services, state.ServiceChange{Name: name, Action: action, Why: difference.Why(name)})
	}
	for _, name := range after.Services() {
		d, differs := difference.Service(name)
		from, to, scaled := d.Scaled()
		switch {
		case !differs:
			add(name, state.ActionKeep)
		case d.Action == project.Added, scaled && from == 0:
			add(name, state.ActionCreate)
		case scaled && to == 0:
			add(name, state.ActionRemove)
		case scaled:
			add(name, state.ActionKeep)
		default:
			add(name, state.ActionRecreate)
		}
	}
	if before == nil {
		return changes
	}
	for _, name := range before.Services() {
		if !slices.Contains(after.Services(), name) {
			add(name, state.ActionRemove)
		}
	}
	return changes
}
