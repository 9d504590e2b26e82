package state

// A Review is what a run of kind review plans: a pull request on a stack's
// branch. The run's commit is the one that was planned, its changes are the
// plan. Stale, Ended and Merged are said of it from outside, also once the run
// is over, and are never taken back.
type Review struct {
	Pull    int    `json:"pull"` // its number at the forge
	Title   string `json:"title"`
	Base    string `json:"base"`               // branch that it would be merged into, short
	Head    string `json:"head"`               // commit that was proposed
	HeadRef string `json:"head_ref,omitempty"` // full name of the branch that it is on
	Fork    bool   `json:"fork,omitempty"`     // the head is in another repository
	Behind  bool   `json:"behind"`             // the head alone was planned, and the base has commits that it lacks
	Stale   bool   `json:"stale,omitempty"`    // the base has moved since
	Ended   string `json:"ended,omitempty"`    // merged or closed
	Merged  string `json:"merged,omitempty"`   // the commit that the merge made, where it is known

	Outcome *Outcome `json:"outcome,omitempty"` // of the deploy of what was merged

	Folder *Folder `json:"folder,omitempty"` // of a stack that a template stands for
}

// A Folder is the place of a stack that is made of it, as a pull request would
// leave it.
type Folder struct {
	Template  string       `json:"template"`
	Directory string       `json:"directory"`
	Change    FolderChange `json:"change,omitempty"` // empty: it stays
	Other     string       `json:"other,omitempty"`  // where it was, or what has its files
}

// FolderChange is what a merge makes of a folder's stack.
type FolderChange string

const (
	FolderAdded   FolderChange = "added"   // a new stack, or one that comes back
	FolderMoved   FolderChange = "moved"   // the stack goes on in this folder
	FolderRemoved FolderChange = "removed" // the stack stays as it runs, and is deployed no more
	FolderRefused FolderChange = "refused" // it is no stack
	FolderUnread  FolderChange = "unread"  // not known: what was proposed is not at the remote
)

// Settled reports whether the plan is made by the look at the folders alone.
func (f *Folder) Settled() bool {
	return f != nil && (f.Change == FolderRemoved || f.Change == FolderRefused || f.Change == FolderUnread)
}

// Ends of a review.
const (
	EndedMerged  = "merged"
	EndedClosed  = "closed"
	EndedDropped = "dropped" // the pull request concerns the stack no more
)

// An Outcome is how the run ended that deployed what a review planned.
type Outcome struct {
	Run    string    `json:"run"`
	Commit string    `json:"commit"`
	Status RunStatus `json:"status"`
	Error  string    `json:"error,omitempty"`
	// RolledBackTo is the commit of the release that runs again.
	RolledBackTo string `json:"rolled_back_to,omitempty"`
}

// A Proposal is a pull request that a stack remembers: an open one, to be
// planned again when its base moves, or a merged one whose outcome is not
// known yet.
type Proposal struct {
	Pull   int    `json:"pull"`
	Run    string `json:"run"`              // its newest review
	Plan   string `json:"plan,omitempty"`   // the newest one before it that has a plan
	Merged string `json:"merged,omitempty"` // the commit that the merge made, where it is known
	Ended  bool   `json:"ended,omitempty"`  // it was merged, and the deploy is awaited
}

// maxProposals bounds what a stack remembers; the oldest are forgotten first.
const maxProposals = 100

// Propose remembers the newest review of a pull request.
func (s *Stack) Propose(p Proposal) {
	s.Withdraw(p.Pull)
	s.Proposals = append(s.Proposals, p)
	if n := len(s.Proposals) - maxProposals; n > 0 {
		s.Proposals = s.Proposals[n:]
	}
}

// Withdraw forgets a pull request and returns what was known of it, nil for nothing.
func (s *Stack) Withdraw(pull int) *Proposal {
	for i, p := range s.Proposals {
		if p.Pull == pull {
			s.Proposals = append(s.Proposals[:i:i], s.Proposals[i+1:]...)
			return &p
		}
	}
	return nil
}

// said keeps what was said of a review from outside while a run worked on it
// that does not know.
func (r *Review) said(before *Review) *Review {
	if r == nil || before == nil {
		return r
	}
	out := *r
	out.Stale = r.Stale || before.Stale
	if out.Ended == "" {
		out.Ended, out.Merged = before.Ended, before.Merged
	}
	if out.Outcome == nil {
		out.Outcome = before.Outcome
	}
	return &out
}
