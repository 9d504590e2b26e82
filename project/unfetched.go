package project

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/config"
)

// An UnfetchedError says that a path leads into a submodule that is not
// checked out.
type UnfetchedError struct{ Path string } // of the submodule

func (e *UnfetchedError) Error() string { return e.Path + " is a submodule that is not checked out" }

// Hint says what brings it.
func (e *UnfetchedError) Hint() string { return "git submodule update --init " + e.Path }

// explain tells what is not there from what is in a submodule that is not.
func (t *DirTree) explain(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, at := range t.modules() {
		if name != at && !strings.HasPrefix(name, at+"/") {
			continue
		}
		list, listErr := t.fs.ReadDir(at)
		if errors.Is(listErr, fs.ErrNotExist) || listErr == nil && len(list) == 0 {
			return fmt.Errorf("%s: %w", name, &UnfetchedError{Path: at})
		}
	}
	return err
}

// maxNested bounds how deep submodules are looked for in each other.
const maxNested = 8

// findModules lists the folders that .gitmodules says are submodules, also of
// those that are checked out themselves.
func (t *DirTree) findModules() []string { return t.modulesIn(".", 0) }

func (t *DirTree) modulesIn(dir string, depth int) []string {
	raw, err := t.fs.ReadFile(path.Join(dir, ".gitmodules"))
	modules := config.NewModules()
	if err != nil || depth > maxNested || modules.Unmarshal(raw) != nil {
		return nil
	}
	var out []string
	for _, m := range modules.Submodules {
		if at := path.Join(dir, path.Clean(m.Path)); fs.ValidPath(at) && at != dir {
			out = append(append(out, at), t.modulesIn(at, depth+1)...)
		}
	}
	return out
}
