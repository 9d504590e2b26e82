package pipeline

import (
	"context"
	"fmt"
	"time"

	"deployer/gitsync"
	"deployer/state"
)

const (
	mergeTries = 3 // a forge makes the merge a moment after it tells of the pull request
	mergePause = 2 * time.Second
)

// FetchProposal brings what a pull request would make of a branch. The error
// is a gitsync.ErrNotFound where the forge has no ref of it.
func FetchProposal(ctx context.Context, mirror *gitsync.Mirror, provider, branch string, r *state.Review) (*gitsync.Proposal, error) {
	refs := proposalRefs(provider, r)
	if len(refs) == 0 {
		return nil, WithHint(fmt.Errorf("the forge keeps no ref for this pull request in the repository that is deployed: %w", gitsync.ErrNotFound),
			"plan it by hand: deployer plan DIR")
	}
	p, err := awaitProposal(ctx, mirror, provider, branch, r.Head, refs)
	if err == nil && r.Fork { // it may not choose what else the server fetches
		p.Snapshot.LimitTo(p.Base)
	}
	return p, err
}

// proposalRefs are where a forge keeps what a pull request would become: the
// merge where it makes one, then what is proposed. A fork's branch has its
// name in another repository, so it is not looked for in this one.
func proposalRefs(provider string, r *state.Review) []string {
	var refs []string
	keep := func(prefix string, names ...string) {
		for _, name := range names {
			refs = append(refs, fmt.Sprintf("refs/%s/%d/%s", prefix, r.Pull, name))
		}
	}
	switch provider {
	case "github", "gitea", "forgejo", "azure-devops":
		keep("pull", "merge", "head")
	case "gogs":
		keep("pull", "head")
	case "gitlab":
		keep("merge-requests", "merge", "head")
	case "bitbucket-server":
		keep("pull-requests", "from")
	}
	if !r.Fork && r.HeadRef != "" {
		refs = append(refs, r.HeadRef)
	}
	return refs
}

// awaitProposal fetches the proposal. Where the forge makes merges, one that is
// not there yet is waited for, unless the head already has all of the base: it
// is then what the merge would be.
func awaitProposal(ctx context.Context, mirror *gitsync.Mirror, provider, branch, head string, refs []string) (p *gitsync.Proposal, err error) {
	makes := provider == "github" || provider == "gitlab" || provider == "azure-devops"
	for try := 1; ; try++ {
		p, err = mirror.FetchProposal(ctx, branch, head, refs...)
		if err != nil || !p.Behind || !makes || try == mergeTries {
			return p, err
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(mergePause):
		}
	}
}
