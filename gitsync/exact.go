package gitsync

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
)

// FetchExact brings a commit into the mirror by its id, on whichever branch or
// tag it is, and keeps it until the next Keep. Where the mirror has it, the
// remote is not asked. A server that gives no commit by its id is asked for the
// history of its branches. Errors are Fetch's, and ErrNotAtRemote.
func (m *Mirror) FetchExact(ctx context.Context, commit string) (*Snapshot, error) {
	h, err := parseCommit(commit)
	if err != nil {
		return nil, err
	}
	if snap, err := m.Snapshot(ctx, commit); err == nil {
		return snap, nil
	}
	leave, err := m.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	m.mu.Lock()
	held, err := m.holds(h)
	m.mu.Unlock()
	if held && err == nil { // what cannot be read is fetched again
		return m.hand(ctx, h)
	}
	r, err := m.talk(ctx, "")
	if err != nil {
		return nil, err
	}
	defer r.close()
	r.tip = h
	if err := r.fetchExact(); err != nil {
		return nil, r.explainExact(err)
	}
	return m.hand(ctx, h)
}

func (r *round) fetchExact() error {
	if !r.allowsExact(r.tip) {
		return r.search()
	}
	return r.fetchTip()
}

// explainExact tells a commit that was never pushed from a branch that moved.
func (r *round) explainExact(err error) error {
	if err = r.explain(err); !strings.Contains(err.Error(), "not our ref") {
		return err
	}
	return r.absent()
}

func (r *round) absent() error {
	text := fmt.Sprintf("%s: %s: %s", r.remote.Address(), ErrNotAtRemote, r.tip)
	return &opError{text: text, kinds: []error{ErrNotAtRemote},
		hint: "push it there; then retry the run"}
}

// maxSearched bounds the branches and tags whose history is searched.
const maxSearched = 4096

// search looks for the commit in the newest history of the branches, then in
// all that the remote has, of which only the commit stays.
func (r *round) search() error {
	tips := r.tips()
	if len(tips) == 0 {
		return r.absent()
	}
	m := r.m
	if _, state, err := m.prepare(r.tip); err != nil {
		return err
	} else if state == held {
		return m.record(r)
	} else if state == unusable {
		if err := m.renew(); err != nil {
			return err
		}
	}
	for _, depth := range []int{m.limits.deepen, 0} {
		if _, err := r.add(demand{want: tips[0], also: tips[1:], depth: depth}); err != nil {
			return err
		}
		m.mu.Lock()
		ok, err := m.holds(r.tip)
		m.mu.Unlock()
		if err != nil {
			return err
		}
		if ok {
			err := m.record(r)
			m.mu.Lock()
			defer m.mu.Unlock()
			m.tidy()
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tidy()
	return r.absent()
}

// tips are what the remote's branches and tags point to, each once.
func (r *round) tips() []plumbing.Hash {
	seen := map[plumbing.Hash]bool{}
	var out []plumbing.Hash
	for name, h := range r.refs.References {
		if (strings.HasPrefix(name, refHeads) || strings.HasPrefix(name, "refs/tags/")) && !seen[h] {
			seen[h] = true
			out = append(out, h)
		}
	}
	slices.SortFunc(out, func(a, b plumbing.Hash) int { return strings.Compare(a.String(), b.String()) })
	return out[:min(len(out), maxSearched)]
}

// renew puts an empty store in the place of one that cannot be read.
func (m *Mirror) renew() error {
	dir, err := m.workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s, err := createStore(dir)
	if err != nil {
		return err
	}
	defer s.close()
	return m.putInPlace(s)
}
