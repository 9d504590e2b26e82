package gitsync

import (
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
)

// compact brings the mirror back to two packs, of what must stay: the
// branches' tips, what is kept, and snapshots in use. Each pack costs an open
// file and its index in memory, so there must not be one for every push. What
// must stay is on disk under its name before anything goes. The caller holds mu.
func (m *Mirror) compact() error {
	s := m.store
	commits, err := m.needed()
	if err != nil {
		return err
	}
	objects, err := s.objectsOf(commits...)
	if err != nil {
		return err
	}
	stay := map[string]bool{}
	if base := s.objects.base(objects); base != nil {
		stay[base.name] = true
		objects = slices.DeleteFunc(objects, base.has)
	}
	old, complete := s.objects.open, s.complete
	added, err := s.take(s.objects, objects)
	if err != nil {
		return err
	}
	stay[added] = true
	if err := s.setShallow(commits); err != nil {
		return err
	}
	for _, one := range old {
		if !stay[one.name] {
			if err := one.remove(s.packDir()); err != nil {
				return err
			}
		}
	}
	if err := s.refresh(); err != nil {
		return err
	}
	for _, c := range commits {
		if tree, ok := complete[c]; ok {
			s.know(c, tree)
		}
	}
	return nil
}

// needed lists the commits that must stay. The caller holds mu.
func (m *Mirror) needed() ([]plumbing.Hash, error) {
	heads, err := m.store.refs(refHeads)
	if err != nil {
		return nil, err
	}
	commits := keptIn(m.store.dir)
	for _, ref := range heads {
		commits = append(commits, ref.Hash())
	}
	for _, w := range m.live {
		if snap := w.Value(); snap != nil {
			commits = append(commits, snap.commit)
		}
	}
	return commits, nil
}

// base returns the largest pack where at least half of it is among the
// objects, else nil. It can stay as it is: writing the tens of thousands of
// objects of a large repository anew takes seconds.
func (p *packs) base(objects []plumbing.Hash) *pack {
	var largest *pack
	var size int64
	for _, one := range p.open {
		if n, err := one.index.Count(); err == nil && n > size {
			largest, size = one, n
		}
	}
	var used int64
	for _, h := range objects {
		if largest != nil && largest.has(h) {
			used++
		}
	}
	if used*2 < size {
		return nil
	}
	return largest
}

// crowded reports whether the mirror is to be tidied up: it has many packs, or
// several as large as the largest, as a remote makes them that sends all of a
// commit for each push. The caller holds mu.
func (m *Mirror) crowded() bool {
	packs := m.store.objects.open
	var total, largest int64
	for _, one := range packs {
		total += one.size
		largest = max(largest, one.size)
	}
	return len(packs) > m.limits.packs || total > 3*largest+m.limits.spare
}
