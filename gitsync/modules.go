package gitsync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
)

// modules are the mirrors of a repository's submodules, one for each URL, in
// a folder beside the repository's own. Other repositories have their own, as
// they have their own credentials.
type modules struct {
	mu   sync.Mutex
	open map[string]*Mirror // by folder; none is ever taken out
}

func (m *Mirror) modulesDir() string { return strings.TrimSuffix(m.dir, ".git") + ".submodules" }

var odd = regexp.MustCompile(`[^A-Za-z0-9._]+`)

// moduleDir is the folder of the mirror of a submodule.
func (m *Mirror) moduleDir(url string) string {
	sum := sha256.Sum256([]byte(url))
	name := odd.ReplaceAllString(bare(path.Base(url)), "-") // for people; the sum tells them apart
	return filepath.Join(m.modulesDir(), name[:min(len(name), 40)]+"-"+hex.EncodeToString(sum[:12])+".git")
}

// module is the mirror of a submodule.
func (m *Mirror) module(remote Remote) *Mirror {
	one := m.moduleAt(m.moduleDir(remote.URL))
	one.SetRemote(remote)
	return one
}

// moduleAt is the mirror in a folder. One that no submodule was fetched into
// since the start has no remote.
func (m *Mirror) moduleAt(dir string) *Mirror {
	m.modules.mu.Lock()
	defer m.modules.mu.Unlock()
	if m.modules.open == nil {
		m.modules.open = map[string]*Mirror{}
	}
	one := m.modules.open[dir]
	if one == nil {
		one = Open(dir, Remote{})
		one.limits = m.limits
		m.modules.open[dir] = one
	}
	return one
}

func (m *modules) close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, one := range m.open {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}
