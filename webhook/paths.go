package webhook

import (
	"slices"

	"deployer/state"
)

// Forges cut lists short without a word. A list below these limits is whole.
const (
	maxListedCommits = 20
	maxListedFiles   = 300 // of one commit
)

const maxPaths = 5000 // that one event carries

// paths returns the files that the push touches, sorted, and whether these
// are provably all. e is the event made of the same push.
func (p *push) paths(e state.Event) (files []string, complete bool) {
	complete = p.listsEveryCommit(e)
	for _, c := range p.Commits {
		n := len(c.Added) + len(c.Removed) + len(c.Modified)
		// GitHub sends empty lists for a commit that it could not compare in time.
		if n == 0 || n >= maxListedFiles || len(files)+n > maxPaths {
			complete = false
			continue
		}
		files = append(append(append(files, c.Added...), c.Removed...), c.Modified...)
	}
	slices.Sort(files)
	return slices.Compact(files), complete
}

// listsEveryCommit reports whether the commits of the list lead from before to
// after. After a forced push they do not: what it took away is not listed.
func (p *push) listsEveryCommit(e state.Event) bool {
	n := len(p.Commits)
	if n == 0 || e.Forced || e.Deleted || e.Before == "" || p.Commits[n-1].ID != e.After {
		return false
	}
	if p.Size != nil {
		return *p.Size == n
	}
	return n < maxListedCommits
}
