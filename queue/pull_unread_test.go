package queue

import (
	"fmt"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// nowhere is a commit that nobody has.
var nowhere = fmt.Sprintf("%040d", 1)

// mustBeUnread wants that a review says what is missing, and what to do.
func (b *bench) mustBeUnread(run *state.Run) {
	b.t.Helper()
	b.says(run.Error, "has none of refs/pull/7/merge, refs/pull/7/head, refs/heads/topic")
	b.says(run.Hint, "closed, or its branch deleted", "see that the Git server gives one of these refs")
	stage := run.Stages[0]
	if stage.Status != state.StageFailed || stage.Steps[len(stage.Steps)-1].Hint != run.Hint || run.FinishedAt == nil || run.Changes != nil {
		b.t.Errorf("the review is %s", told(b.t, run))
	}
}

func TestAReviewWhoseRefIsGoneSaysSo(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Provider = "github"
	b.deployed("one", b.app("shop", "web:1", ""))
	run := b.ends(b.reviewed(b.pull(state.PullOpened, nowhere)), state.RunFailed)
	b.mustBeUnread(run)
	if r := run.Review; r.Head != nowhere || len(b.stack("shop").Proposals) != 1 {
		t.Errorf("the review is %+v", r)
	}
}

// Which folders it would concern is not known, so that it is named after the
// entry; nothing else waits for it.
func TestAPullRequestOnFoldersThatIsGoneSaysSo(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files { return b.app("apps/a", "app:1", "") })
	unread := b.reviewed1(b.pull(state.PullOpened, nowhere), "apps/*", state.RunFailed)
	b.mustBeUnread(unread)
	if f := unread.Review.Folder; f == nil || f.Change != state.FolderUnread || f.Directory != "apps" || f.Template != "apps/*" {
		t.Errorf("the folder is %+v", f)
	}
	_, err := b.queue.Retry(t.Context(), unread.ID, state.Trigger{Kind: state.TriggerCLI, Actor: "ada"})
	b.refused(err, "pull request 7")

	// Looked at again, it is said once; another head is another matter.
	b.stop()
	b.renew()
	b.must(b.store.Update(func(tx *state.Tx) error {
		kept, err := tx.Template("apps/*")
		if err != nil {
			return err
		}
		lookAtPullsAgain(kept, "the branch has other folders")
		return tx.PutTemplate(kept)
	}))
	before := len(b.allRuns())
	b.serve()
	b.looked()
	if got := b.allRuns()[before:]; len(got) != 0 {
		t.Errorf("it is said again: %v", stacksOf(got))
	}
	other := b.reviewed1(b.pull(state.PullUpdated, fmt.Sprintf("%040d", 2)), "apps/*", state.RunFailed)
	b.mustBeUnread(other)

	// There at last.
	b.reviewed1(b.pull(state.PullUpdated, b.proposed(b.app("apps/a", "app:2", ""))), "a", state.RunSucceeded)
	if r := b.run(other.ID).Review; r.Ended != state.EndedDropped {
		t.Errorf("the one before goes on: %+v", r)
	}

	// Gone after it was planned: its stack says so.
	b.repo.Git("update-ref", "-d", "refs/pull/7/head")
	b.repo.Git("update-ref", "-d", "refs/heads/topic")
	gone := b.reviewed1(b.pull(state.PullUpdated, nowhere), "a", state.RunFailed)
	b.mustBeUnread(gone)
	if f := gone.Review.Folder; f.Directory != "apps/a" || f.Change != state.FolderUnread {
		t.Errorf("the folder is %+v", f)
	}
	b.ignored(b.pull(state.PullClosed, ""), "pull request 7 was closed; its reviews are over")
	if r := b.run(gone.ID).Review; r.Ended != state.EndedClosed || len(b.stack("a").Proposals) != 0 {
		t.Errorf("it goes on after its end: %+v", r)
	}
}

// A forge that has no refs of pull requests from forks.
func TestAPullRequestWithoutAnyRefSaysSo(t *testing.T) {
	b := deployedFolders(t, []string{"apps"}, func(b *bench) gittest.Files { return b.app("apps/a", "app:1", "") })
	b.templates[0].Provider, b.templates[0].PlanForks = "bitbucket", true
	b.must(b.queue.Reload(b.stacks, 4, b.templates...))
	event := b.pull(state.PullOpened, nowhere)
	event.PullRequest.Fork = true
	run := b.reviewed1(event, "apps/*", state.RunFailed)
	b.says(run.Error, "the forge keeps no ref for this pull request")
	b.says(run.Hint, "deployer plan DIR")
}
