package gitsync

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/go-git/go-git/v5/plumbing"
)

// maxNested bounds how deep submodules may be nested.
const maxNested = 8

// A reach is what the snapshot of a commit and those of its submodules have in
// common.
type reach struct {
	mirror *Mirror // of the repository; its rules are theirs

	mu      sync.Mutex
	ctx     context.Context
	entered map[string]entered // by path from the top snapshot
}

// entered is how entering a submodule ended.
type entered struct {
	snapshot *Snapshot
	err      error
}

// A Submodule is one that was entered.
type Submodule struct {
	Path   string // from the top of the repository
	URL    string // without credentials
	Commit string // full id
}

// During makes ctx what ends the fetches of submodules from now on, in the
// place of that of the fetch which made the snapshot. What could not be fetched
// before is tried again.
func (s *Snapshot) During(ctx context.Context) {
	r := s.reach
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx = ctx
	for at, e := range r.entered {
		if e.err != nil {
			delete(r.entered, at)
		}
	}
}

// Entered lists the submodules whose content was asked for, by path.
func (s *Snapshot) Entered() []Submodule {
	s.reach.mu.Lock()
	defer s.reach.mu.Unlock()
	var out []Submodule
	for at, e := range s.reach.entered {
		if e.err == nil {
			out = append(out, Submodule{Path: at, URL: e.snapshot.address.String(), Commit: e.snapshot.Commit})
		}
	}
	slices.SortFunc(out, func(a, b Submodule) int { return strings.Compare(a.Path, b.Path) })
	return out
}

// submodule is what a submodule has at its recorded commit, fetched where it
// is not there yet.
func (s *Snapshot) submodule(at string, commit plumbing.Hash) (*Snapshot, error) {
	full := path.Join(s.at, at)
	s.reach.mu.Lock()
	defer s.reach.mu.Unlock()
	if e, ok := s.reach.entered[full]; ok {
		return e.snapshot, e.err
	}
	sub, err := s.enterSubmodule(at, commit, func(m *Mirror) (*Snapshot, error) {
		return m.FetchExact(s.reach.ctx, commit.String())
	})
	s.reach.entered[full] = entered{sub, err}
	return sub, err
}

// heldSubmodule is what is there of a submodule; nil where it would have to
// be fetched, or must not.
func (s *Snapshot) heldSubmodule(at string, commit plumbing.Hash) *Snapshot {
	s.reach.mu.Lock()
	defer s.reach.mu.Unlock()
	if e := s.reach.entered[path.Join(s.at, at)]; e.snapshot != nil {
		return e.snapshot
	}
	sub, err := s.enterSubmodule(at, commit, func(m *Mirror) (*Snapshot, error) {
		return m.Snapshot(context.WithoutCancel(s.reach.ctx), commit.String())
	})
	if err != nil {
		return nil
	}
	return sub
}

// enterSubmodule judges a submodule and has it brought. The caller holds the
// reach's mu.
func (s *Snapshot) enterSubmodule(at string, commit plumbing.Hash, bring func(*Mirror) (*Snapshot, error)) (*Snapshot, error) {
	wrong := func(where string, err error) error { return s.cannotEnter(at, where, commit, err) }
	to, limit, err := s.lookUp(at)
	if err != nil {
		return nil, wrong("", err)
	}
	above := append(slices.Clone(s.above), s.address.String())
	for _, a := range above {
		if bare(a) == bare(to.String()) {
			return nil, wrong(to.String(), &opError{kinds: []error{ErrSubmodule}, hint: "take it out of the repository that holds it",
				text: "submodules form a loop: " + strings.Join(append(above, to.String()), " → ")})
		}
	}
	if len(above) > maxNested {
		return nil, wrong(to.String(), &opError{kinds: []error{ErrSubmodule, ErrTooLarge}, hint: "copy what is needed into the repository",
			text: fmt.Sprintf("submodules are nested deeper than %d", maxNested)})
	}
	remote, err := s.reach.mirror.remote.Load().submodule(to)
	if err != nil {
		return nil, wrong(to.String(), err)
	}
	sub, err := bring(s.reach.mirror.module(remote))
	if err != nil {
		return nil, wrong(to.String(), remote.explainSubmodule(to, err))
	}
	sub.reach, sub.at, sub.address, sub.above, sub.limit = s.reach, path.Join(s.at, at), to, above, limit
	return sub, nil
}

// lookUp finds where a submodule comes from.
func (s *Snapshot) lookUp(at string) (address, *limit, error) {
	links, err := s.readLinks()
	if err != nil {
		return address{}, nil, err
	}
	l, ok := links[at]
	switch {
	case !ok || l.url == "":
		return address{}, nil, &opError{text: "it has no entry in " + path.Join(s.at, modulesFile), kinds: []error{ErrSubmodule},
			hint: "git submodule add writes one; commit the file too"}
	case l.twice:
		return address{}, nil, &opError{text: "it has several urls in " + path.Join(s.at, modulesFile), kinds: []error{ErrSubmodule}, hint: "keep one"}
	}
	to, err := s.address.resolve(l.url)
	if err != nil {
		return address{}, nil, &opError{text: err.Error(), kinds: []error{ErrNotAllowed},
			hint: "correct its url in " + path.Join(s.at, modulesFile) + "; credentials belong into deployer.yaml"}
	}
	inner, err := s.limit.judge(to)
	return to, inner, err
}

// cannotEnter says which submodule an error is about.
func (s *Snapshot) cannotEnter(at, where string, commit plumbing.Hash, err error) error {
	what := commit.String()[:7]
	if where != "" {
		what = where + " at " + what
	}
	reason := strings.TrimPrefix(err.Error(), where+": ")
	e := &opError{text: fmt.Sprintf("%s is a submodule (%s): %s", path.Join(s.at, at), what, reason), kinds: []error{ErrSubmodule}}
	for _, kind := range kindsOfEntering { // never fs.ErrNotExist: nothing may take it for a path that is not there
		if errors.Is(err, kind) {
			e.kinds = append(e.kinds, kind)
		}
	}
	var own interface{ Hint() string }
	if errors.As(err, &own) {
		e.hint = own.Hint()
	}
	return e
}

// kindsOfEntering are what of an error stays to be found in that of entering.
var kindsOfEntering = []error{
	ErrAuth, ErrUntrusted, ErrNoRepository, ErrBranchNotFound, ErrUnreachable, ErrDamaged, ErrDiskFull, ErrTooLarge,
	ErrNotAllowed, ErrNotAtRemote, context.Canceled, context.DeadlineExceeded,
}

// explainSubmodule adds what is peculiar to a submodule's credentials.
func (r Remote) explainSubmodule(to address, err error) error {
	if to.scheme == "file" || !errors.Is(err, ErrAuth) && !errors.Is(err, ErrNoRepository) {
		return err
	}
	hint := "the credentials are those of another repository, which may not read it: " + lendHint(to)
	if r.Password.Read == nil && r.SSHKeyFile == "" {
		hint = "no credentials are sent there: " + lendHint(to)
	}
	if r.explicit {
		hint = "check the auth of its own entry under repositories in deployer.yaml"
	}
	if errors.Is(err, ErrNoRepository) { // servers say so too of what they hide
		hint = "check its url in .gitmodules; where that is right, " + hint
	}
	return &opError{text: err.Error(), hint: hint, kinds: []error{err}}
}

// A limit keeps the submodules of what a stranger proposes to the URLs that
// the branch has them from.
type limit struct {
	base func() *Snapshot // nil: there is nothing of the branch that it stands for
}

// LimitTo has submodules of this snapshot fetched only from where those of
// base come from. It must be called before any is entered.
func (s *Snapshot) LimitTo(base *Snapshot) {
	s.limit = &limit{func() *Snapshot { return base }}
}

// judge returns the limit for the submodules of the submodule at an address.
func (l *limit) judge(to address) (*limit, error) {
	if l == nil {
		return nil, nil
	}
	if base := l.base(); base != nil {
		links, err := base.readLinks()
		if err != nil {
			return nil, err
		}
		for at, link := range links {
			if from, err := base.address.resolve(link.url); err == nil && !link.twice && from == to {
				return &limit{sync.OnceValue(func() *Snapshot { return base.entry(at) })}, nil
			}
		}
	}
	return nil, &opError{text: "the branch has no submodule from there, and what comes from another repository cannot add one", kinds: []error{ErrNotAllowed},
		hint: "who may push to the repository can propose it from a branch of their own"}
}

// entry is the submodule at a path; nil where there is none.
func (s *Snapshot) entry(at string) *Snapshot {
	e, err := s.find(at)
	if err != nil {
		return nil
	}
	root, err := e.inside()
	if err != nil || root.in == s {
		return nil
	}
	return root.in
}
