package gitsync

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// A Proposal is a commit that somebody wants to have merged into a branch.
type Proposal struct {
	Ref      string    // of the remote, that led to it
	Snapshot *Snapshot // of it, or of the merge that the forge has made
	Base     *Snapshot // the branch's tip
	Behind   bool      // the branch has commits that Snapshot lacks
	Left     string    // where it is behind: the commit that both come from; empty where that is not plain
}

const goneHint = "where it was closed, or its branch deleted, meanwhile, there is nothing to do; else see that the Git server gives one of these refs to the user that deployer fetches as"

// FetchProposal brings the commit of the first of refs that the remote has
// into the mirror, and the branch's tip. A ref that is neither at the commit
// head nor a merge of it is outdated and passed over where another one is
// there; an empty head is any. No ref of the mirror names what was brought: it
// stays as long as the Snapshot is in use. Errors are Fetch's, and ErrNotFound.
func (m *Mirror) FetchProposal(ctx context.Context, branch, head string, refs ...string) (*Proposal, error) {
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	r, err := m.connect(ctx, branch)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.fetchTip(); err != nil {
		return nil, r.explain(err)
	}
	p := &Proposal{}
	if p.Base, err = m.hand(ctx, r.tip); err != nil {
		return nil, err
	}
	wanted, err := r.fetchProposed(head, refs, &p.Ref)
	if err != nil {
		return nil, r.explain(err)
	}
	if wanted.IsZero() {
		text := fmt.Sprintf("%s has none of %s", r.remote.Address(), strings.Join(refs, ", "))
		return nil, &opError{text: text, hint: goneHint, kinds: []error{ErrNotFound}}
	}
	contained, err := r.contains(wanted, r.tip)
	if err != nil {
		return nil, r.explain(err)
	}
	if p.Behind = !contained; p.Behind {
		p.Left = m.leaves(wanted, r.tip)
	}
	p.Snapshot, err = m.hand(ctx, wanted)
	return p, err
}

// fetchProposed makes the commit of the best of refs complete.
func (r *round) fetchProposed(head string, refs []string, from *string) (wanted plumbing.Hash, err error) {
	for _, ref := range refs {
		at, there := r.refs.References[ref]
		if !there {
			continue
		}
		if err := r.bring(at); err != nil {
			return wanted, err
		}
		fits := r.proposes(at, head)
		if wanted.IsZero() || fits {
			wanted, *from = at, ref
		}
		if fits {
			break
		}
	}
	return wanted, nil
}

// bring makes a commit complete that is not the branch's tip.
func (r *round) bring(want plumbing.Hash) error {
	r.m.mu.Lock()
	held, err := r.m.holds(want)
	r.m.mu.Unlock()
	if held || err != nil {
		return err
	}
	tip := r.tip
	r.tip = want
	err = r.extend([]plumbing.Hash{tip})
	r.tip = tip
	return err
}

// proposes reports whether a commit is the head, or a merge of it.
func (r *round) proposes(commit plumbing.Hash, head string) bool {
	if head == "" || commit.String() == head {
		return true
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	s := r.m.opened()
	if s == nil {
		return false
	}
	c, err := s.commit(commit)
	return err == nil && slices.ContainsFunc(c.ParentHashes, func(p plumbing.Hash) bool { return p.String() == head })
}

// contains reports whether the history of a commit leads to another one. What
// was brought on top of the tip has all that is not in the tip's history; only
// where it was cut off is more asked for.
func (r *round) contains(commit, other plumbing.Hash) (bool, error) {
	r.m.mu.Lock()
	s := r.m.opened()
	if s == nil {
		r.m.mu.Unlock()
		return false, ErrDamaged
	}
	there, cut := s.isAncestor(other, commit), false
	if ends, err := s.meta.Shallow(); err == nil {
		cut = commit != other && slices.Contains(ends, commit)
	}
	r.m.mu.Unlock()
	if there || !cut {
		return there, nil
	}
	return r.showIn(other, commit)
}

// leaves returns the one commit at which the history of a commit leaves that
// of a tip. A parent that is not there was not sent, so it is the tip's too.
func (m *Mirror) leaves(commit, tip plumbing.Hash) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.opened()
	if s == nil {
		return ""
	}
	found := map[plumbing.Hash]bool{}
	seen := map[plumbing.Hash]bool{commit: true}
	for next := []plumbing.Hash{commit}; len(next) > 0; {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		c, err := s.commit(h)
		if err != nil || s.isAncestor(h, tip) {
			found[h] = true
			continue
		}
		for _, p := range c.ParentHashes {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	if len(found) != 1 {
		return ""
	}
	for h := range found {
		return h.String()
	}
	return ""
}
