package gitsync

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-git/go-git/v5/plumbing"
)

// fetchTip makes the branch's tip complete in the mirror and records it. The
// caller has entered.
func (r *round) fetchTip() error {
	m := r.m
	haves, state, err := m.prepare(r.tip)
	if err != nil {
		return err
	}
	if state == held {
		return m.record(r)
	}
	if state == usable {
		err := r.extend(haves)
		if err == nil {
			return m.record(r)
		}
		if !errors.Is(err, ErrDamaged) {
			return err
		}
	}
	return r.build()
}

type condition int

const (
	unusable condition = iota // there is no mirror, or a damaged one
	usable                    // the mirror is sound and lacks the commit
	held                      // all of the commit is there
)

// prepare looks at the mirror, and says what it can offer to the remote.
func (m *Mirror) prepare(tip plumbing.Hash) (haves []plumbing.Hash, c condition, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.opened()
	if s == nil || m.damaged || s.check() != nil {
		return nil, unusable, nil
	}
	ok, err := s.isComplete(tip)
	switch {
	case errors.Is(err, ErrDamaged):
		return nil, unusable, nil
	case err != nil:
		return nil, unusable, err
	case ok:
		return nil, held, nil
	}
	// Only what is recorded was seen to be complete. Few haves are enough: the
	// branches' tips, then what is kept.
	for _, prefix := range []string{refHeads, refKeep} {
		refs, err := s.refs(prefix)
		if err != nil {
			return nil, unusable, nil
		}
		for _, ref := range refs[:min(len(refs), maxHaves)] {
			haves = append(haves, ref.Hash())
		}
	}
	return haves, usable, nil
}

// maxHaves bounds what is offered of each kind.
const maxHaves = 64

// extend fetches what the mirror lacks of the tip. What it offers it has only
// in part (see isComplete), so where something is missing afterwards, all of
// the tip is fetched.
func (r *round) extend(haves []plumbing.Hash) error {
	if len(haves) > 0 {
		ok, err := r.add(demand{want: r.tip, haves: haves})
		if err != nil || ok {
			return err
		}
	}
	ok, err := r.add(demand{want: r.tip, depth: 1})
	if err == nil && !ok {
		err = fmt.Errorf("the remote did not send all of commit %s", r.tip)
	}
	return err
}

// add pulls into the mirror and reports whether the wanted commit is then complete.
func (r *round) add(d demand) (bool, error) {
	m := r.m
	in, shallow, err := r.pull(filepath.Join(m.dir, "objects", "pack"), d)
	if err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened() == nil {
		in.discard()
		return false, ErrDamaged
	}
	if err := m.store.add(in); err != nil {
		return false, m.note(err)
	}
	if err := m.store.addShallow(shallow); err != nil {
		return false, err
	}
	return m.holds(d.want)
}

// build clones the tip beside the mirror, takes over what must stay and can
// still be read, and puts the new one in the old one's place.
func (r *round) build() error {
	m := r.m
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
	in, shallow, err := r.pull(s.packDir(), demand{want: r.tip, depth: 1})
	if err != nil {
		return err
	}
	if err := errors.Join(s.add(in), s.settle(), s.addShallow(shallow)); err != nil {
		return err
	}
	ok, err := s.isComplete(r.tip)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("the remote did not send all of commit %s", r.tip)
	}
	if r.branch != "" {
		if err := s.setBranch(r.branch, r.tip, r.refs.References); err != nil {
			return err
		}
	}
	return m.putInPlace(s)
}

// putInPlace takes over what must stay and can still be read into a new
// store, and puts it in the mirror's place.
func (m *Mirror) putInPlace(s *store) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := m.opened()
	if old == nil {
		if old, _ = readStore(m.dir); old != nil {
			defer old.close()
		}
	}
	if old != nil {
		if err := m.salvage(s, old); err != nil {
			return err
		}
	}
	return m.replace(s)
}

// record notes where the branch is, or keeps the commit, and tidies up where many packs have come together.
func (m *Mirror) record(r *round) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.opened() == nil {
		return m.note(ErrDamaged)
	}
	if r.branch == "" {
		if err := m.store.setRef(keepName(r.tip), r.tip); err != nil {
			return err
		}
	} else if err := m.store.setBranch(r.branch, r.tip, r.refs.References); err != nil {
		return err
	}
	if !m.crowded() {
		return nil
	}
	m.tidy()
	return nil
}

// tidy brings the mirror back to what must stay. The caller holds mu.
func (m *Mirror) tidy() {
	// The commit is there. What a full disk prevents is tried again next time;
	// damage is for the next fetch.
	if err := m.compact(); errors.Is(err, ErrDamaged) {
		m.damaged = true
	}
}
