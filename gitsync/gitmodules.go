package gitsync

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing/filemode"
)

// modulesFile is where a repository says where its submodules come from.
const modulesFile = ".gitmodules"

// maxModules bounds its size, in bytes.
const maxModules = 1 << 20

// A link is what modulesFile says of one submodule.
type link struct {
	url   string
	twice bool // another entry has the same path and another url
}

// readLinks reads the submodules that this snapshot's own modulesFile names,
// by path; none where there is no such file.
func (s *Snapshot) readLinks() (map[string]link, error) {
	s.linksMu.Lock()
	defer s.linksMu.Unlock()
	if s.links != nil {
		return s.links, nil
	}
	e, err := s.find(modulesFile)
	if errors.Is(err, fs.ErrNotExist) {
		s.links = map[string]link{}
		return s.links, nil
	}
	if err != nil {
		return nil, err
	}
	if e.Mode != filemode.Regular && e.Mode != filemode.Executable && e.Mode != filemode.Deprecated {
		return nil, fmt.Errorf("%s is not a plain file", modulesFile)
	}
	if size, err := s.size(e.Hash); err != nil {
		return nil, err
	} else if size > maxModules {
		return nil, fmt.Errorf("%s: %w: %d bytes", modulesFile, ErrTooLarge, size)
	}
	raw, err := s.blob(e.Hash)
	if err != nil {
		return nil, err
	}
	s.links, err = parseLinks(raw)
	return s.links, err
}

func parseLinks(raw []byte) (map[string]link, error) {
	modules := config.NewModules()
	if err := modules.Unmarshal(raw); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", modulesFile, err)
	}
	links := map[string]link{}
	for _, m := range modules.Submodules {
		at := path.Clean(m.Path)
		if !fs.ValidPath(at) || at == "." {
			continue
		}
		l := link{url: m.URL}
		if other, ok := links[at]; ok {
			l.twice = other.twice || other.url != l.url
		}
		links[at] = l
	}
	return links, nil
}

// hasLinks reports whether submodules are named at or below a folder. Where
// that cannot be read, who enters one is told.
func (s *Snapshot) hasLinks(folder string) (bool, error) {
	links, err := s.readLinks()
	if errors.Is(err, ErrDamaged) {
		return false, err
	}
	for at := range links {
		if folder == "." || at == folder || strings.HasPrefix(at, folder+"/") {
			return true, nil
		}
	}
	return false, nil
}

// SubmodulePaths lists where the commit's own .gitmodules says that it has
// submodules. Nothing is fetched.
func (s *Snapshot) SubmodulePaths() []string {
	links, _ := s.readLinks() // who enters one is told
	var out []string
	for at := range links {
		inAnother := func(other string) bool { return strings.HasPrefix(at, other+"/") }
		if slices.ContainsFunc(slices.Collect(maps.Keys(links)), inAnother) {
			continue // finding it would enter the other
		}
		if e, err := s.find(at); err == nil && e.Mode == filemode.Submodule {
			out = append(out, at)
		}
	}
	slices.Sort(out)
	return out
}
