package gitsync

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
	"weak"

	"github.com/go-git/go-git/v5/plumbing"
)

// A Mirror is a bare, shallow copy of one remote repository in a folder that
// belongs to it alone. It is safe for concurrent use: one caller at a time
// talks to the remote, and while it waits for the network others can read.
type Mirror struct {
	dir    string
	remote atomic.Pointer[Remote]
	limits limits
	web    webClient

	modules modules

	network chan struct{} // holds one token: the right to talk to the remote
	clean   bool          // nothing is left of an earlier process; for who has the token

	mu      sync.Mutex // guards what follows and everything on disk
	store   *store     // nil until it is needed
	damaged bool       // a read failed; the next fetch builds the mirror anew
	live    []weak.Pointer[Snapshot]
}

// limits bound what a remote can cost.
type limits struct {
	stall  time.Duration // how long it may be silent
	pack   int64         // bytes that one fetch may bring
	file   int64         // bytes of the largest file that is read
	packs  int           // packs, one a fetch, that come together before the mirror is tidied up
	spare  int64         // bytes of packs for which the mirror is not tidied up before
	deepen int           // history that is asked for at first where all of it would come with its files
}

// An Option changes a limit of a Mirror.
type Option func(*Mirror)

// WithStall sets how long the remote may be silent before a fetch gives up;
// one minute where it is not set.
func WithStall(d time.Duration) Option { return func(m *Mirror) { m.limits.stall = d } }

// WithMaxPack sets how many bytes one fetch may bring; 4 GiB where it is not set.
func WithMaxPack(n int64) Option { return func(m *Mirror) { m.limits.pack = n } }

// Open returns the mirror of a remote in a folder, which need not exist. It
// neither touches the disk nor talks to the remote.
func Open(dir string, remote Remote, options ...Option) *Mirror {
	m := &Mirror{
		dir:     filepath.Clean(dir),
		limits:  limits{stall: time.Minute, pack: 4 << 30, file: MaxFile, packs: 64, spare: 64 << 20, deepen: 100},
		network: make(chan struct{}, 1),
	}
	m.SetRemote(remote)
	for _, o := range options {
		o(m)
	}
	return m
}

// Close releases open files and connections. Snapshots can still be read; the
// files are then opened again.
func (m *Mirror) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var err error
	if m.store != nil {
		err = m.store.settle()
		m.store.close()
		m.store = nil
	}
	m.web.mu.Lock()
	defer m.web.mu.Unlock()
	m.web.close()
	return errors.Join(err, m.modules.close())
}

// Tip asks the remote which commit a branch is at, and changes nothing.
func (m *Mirror) Tip(ctx context.Context, branch string) (string, error) {
	r, err := m.connect(ctx, branch)
	if err != nil {
		return "", err
	}
	defer r.close()
	return r.tip.String(), nil
}

// Fetch brings the branch's tip into the mirror, whatever was there before: a
// rewritten branch is followed. Where the tip is there already, it costs one
// question to the remote. Errors are ErrAuth, ErrUntrusted, ErrNoRepository,
// ErrBranchNotFound, ErrUnreachable, or of this machine.
func (m *Mirror) Fetch(ctx context.Context, branch string) (*Snapshot, error) {
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
	return m.hand(ctx, r.tip)
}

// Snapshot returns a commit that the mirror holds completely, or ErrNotFound.
// It does not ask whether a branch contains it, and not the remote.
func (m *Mirror) Snapshot(ctx context.Context, commit string) (*Snapshot, error) {
	h, err := parseCommit(commit)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m.mu.Lock()
	held, err := m.holds(h)
	m.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if !held {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, commit)
	}
	return m.hand(ctx, h)
}

// enter takes the right to talk to the remote and change the mirror.
func (m *Mirror) enter(ctx context.Context) (leave func(), err error) {
	select {
	case m.network <- struct{}{}:
		leave = func() { <-m.network }
	case <-ctx.Done():
		return nil, fmt.Errorf("%s: wait for another fetch: %w", m.remote.Load().Address(), context.Cause(ctx))
	}
	if !m.clean {
		if err := m.cleanUp(); err != nil {
			leave()
			return nil, fmt.Errorf("remove what a killed process has left of %s: %w", m.dir, err)
		}
		m.clean = true
	}
	return leave, nil
}

// opened returns the store, opened where it was not; nil where there is none
// that can be read. The caller holds mu.
func (m *Mirror) opened() *store {
	if m.store == nil {
		s, err := openStore(m.dir)
		if err != nil {
			m.damaged = m.damaged || !errors.Is(err, fs.ErrNotExist)
			return nil
		}
		m.store = s
	}
	return m.store
}

// holds reports whether all of a commit is there. The caller holds mu.
func (m *Mirror) holds(h plumbing.Hash) (bool, error) {
	s := m.opened()
	if s == nil {
		return false, nil
	}
	ok, err := s.isComplete(h)
	return ok, m.note(err)
}

// note remembers that a read has failed. The caller holds mu.
func (m *Mirror) note(err error) error {
	if errors.Is(err, ErrDamaged) {
		m.damaged = true
		return fmt.Errorf("%s: %w; the next fetch builds it anew", m.dir, err)
	}
	return err
}
