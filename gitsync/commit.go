package gitsync

import (
	"context"
	"fmt"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
)

// FetchCommit brings an exact commit of the branch into the mirror. That it is
// on the branch is shown by the branch's history: as it was last fetched where
// that is enough, which needs no network; else the remote is asked for the tip
// and more history. A commit that is merely there, from another branch, does
// not count. Errors are Fetch's, and ErrNotOnBranch.
func (m *Mirror) FetchCommit(ctx context.Context, branch, commit string) (*Snapshot, error) {
	h, err := parseCommit(commit)
	if err != nil {
		return nil, err
	}
	if err := validBranch(branch); err != nil {
		return nil, err
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if m.knows(branch, h) {
		return m.hand(ctx, h)
	}
	r, err := m.connect(ctx, branch)
	if err != nil {
		return nil, err
	}
	defer r.close()
	if err := r.fetchTip(); err != nil {
		return nil, r.explain(err)
	}
	if err := r.fetchCommit(h); err != nil {
		return nil, r.explain(err)
	}
	return m.hand(ctx, h)
}

// knows reports whether the mirror holds all of a commit and the history that
// shows it to be on the branch.
func (m *Mirror) knows(branch string, commit plumbing.Hash) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.opened()
	if s == nil || m.damaged || s.check() != nil {
		return false
	}
	tip, err := s.branch(branch)
	if err != nil {
		return false
	}
	complete, err := s.isComplete(commit)
	return err == nil && complete && s.isAncestor(commit, tip)
}

// fetchCommit makes a commit complete that the tip's history contains.
func (r *round) fetchCommit(commit plumbing.Hash) error {
	on, err := r.showIn(commit, r.tip)
	if err != nil {
		return err
	}
	if !on {
		text := fmt.Sprintf("%s: commit %s is not in the history of branch %q", r.remote.Address(), commit, r.branch)
		return &opError{text: text, kinds: []error{ErrNotOnBranch}}
	}
	r.m.mu.Lock()
	ok, err := r.m.holds(commit)
	r.m.mu.Unlock()
	if ok || err != nil {
		return err
	}
	if r.allowsExact(commit) {
		if ok, err = r.add(demand{want: commit, depth: 1}); ok || err != nil {
			return err
		}
	}
	// The whole branch, as to a client that has nothing.
	if _, err := r.add(demand{want: r.tip}); err != nil {
		return err
	}
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	ok, err = r.m.holds(commit)
	if err == nil && !ok {
		err = fmt.Errorf("the remote did not send all of commit %s", commit)
	}
	return err
}

// showIn looks for a commit in the history of a tip, and fetches more of it
// while it is not found: commits alone where the server can leave out files,
// else a part of the history, then all.
func (r *round) showIn(commit, tip plumbing.Hash) (bool, error) {
	demands := []demand{{want: tip, depth: r.m.limits.deepen}, {want: tip}}
	if r.refs.Capabilities.Supports(capability.Filter) {
		demands = []demand{{want: tip, filter: packp.FilterTreeDepth(0)}}
	}
	for {
		r.m.mu.Lock()
		s := r.m.opened()
		on := s != nil && s.isAncestor(commit, tip)
		r.m.mu.Unlock()
		if on || len(demands) == 0 {
			return on, nil
		}
		if _, err := r.add(demands[0]); err != nil {
			return false, err
		}
		demands = demands[1:]
	}
}

// allowsExact reports whether the server gives out a commit by its id.
func (r *round) allowsExact(commit plumbing.Hash) bool {
	caps := r.refs.Capabilities
	if caps.Supports(capability.AllowReachableSHA1InWant) {
		return true
	}
	for _, h := range r.refs.References {
		if h == commit {
			return true
		}
	}
	return false
}

// isAncestor reports whether the history that is there leads from tip to
// commit. Where the history is cut off, it is not followed.
func (s *store) isAncestor(commit, tip plumbing.Hash) bool {
	seen := map[plumbing.Hash]bool{tip: true}
	for next := []plumbing.Hash{tip}; len(next) > 0; {
		h := next[len(next)-1]
		next = next[:len(next)-1]
		if h == commit {
			return true
		}
		c, err := s.commit(h)
		if err != nil {
			continue
		}
		for _, p := range c.ParentHashes {
			if !seen[p] {
				seen[p] = true
				next = append(next, p)
			}
		}
	}
	return false
}
