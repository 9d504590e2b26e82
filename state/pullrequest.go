package state

// PullAction says what became of a pull request, as far as a plan of it is
// concerned.
type PullAction string

const (
	PullOpened  PullAction = "opened"  // or opened again
	PullUpdated PullAction = "updated" // its commits or its base may be others now
	PullClosed  PullAction = "closed"
	PullMerged  PullAction = "merged"
)

// A PullRequest is what a delivery says of a pull request, whatever the forge
// calls it.
type PullRequest struct {
	Number  int
	Action  PullAction
	Base    string // full name of the branch that it would be merged into
	Head    string // commit that is proposed; empty where the forge shortens it
	HeadRef string // full name of the branch that it is on, in its own repository
	Fork    bool   // that is another repository, or one that is gone
	// MergeCommit is what the merge made; empty where the forge does not say.
	MergeCommit string
}
