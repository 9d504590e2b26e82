package project

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// claims are the places that this process has provided lately. Collect is told
// what releases and containers use, and a run that begins meanwhile is not
// among them: so what Materialise has found or made since the collection
// before began stays, whatever Collect is told.
type claims struct {
	collecting sync.Mutex // held by the one collection that is under way

	mu      sync.Mutex      // held while a place comes, is found or goes
	recent  map[string]bool // places provided since the last collection began
	earlier map[string]bool // and, during one, between its beginning and that of the one before
	scratch map[string]bool // folders in which content is being written
}

// claimed is one for the process: stacks share Roots.Objects and do not know
// each other.
var claimed = claims{recent: map[string]bool{}, scratch: map[string]bool{}}

const (
	scratchPrefix = ".writing-"  // begins the names of folders in which content is being written
	doomedPrefix  = ".removing-" // and of places that are being removed
)

// place is what is kept or removed as a whole: the folder named by the hash,
// or a secret's file.
func (m Mount) place() string {
	if m.Kind == MountObject || m.Kind == MountCopy {
		return filepath.Dir(m.Host)
	}
	return m.Host
}

// claim makes a mount's place stay, and reports whether its content is there.
func (c *claims) claim(m Mount) (there bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.recent[m.place()] = true
	_, err = os.Lstat(m.Host)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// begin makes a folder to write in below another one, which is made too, and
// removes those that a killed process has left there.
func (c *claims) begin(folder string, mode fs.FileMode) (scratch string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := os.MkdirAll(folder, mode); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		if p := filepath.Join(folder, e.Name()); c.abandoned(p) {
			_ = removeAll(p)
		}
	}
	scratch, err = os.MkdirTemp(folder, scratchPrefix)
	if err == nil {
		c.scratch[scratch] = true
	}
	return scratch, err
}

// end removes a folder that was written in.
func (c *claims) end(scratch string) {
	_ = removeAll(scratch)
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.scratch, scratch)
}

// abandoned reports whether a path is what a killed process was writing. The
// caller holds mu.
func (c *claims) abandoned(p string) bool {
	return strings.HasPrefix(filepath.Base(p), scratchPrefix) && !c.scratch[p]
}

// turn begins a collection.
func (c *claims) turn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.earlier, c.recent = c.recent, map[string]bool{}
}

// doom takes a place's name away, unless it was provided lately: what is half
// removed is never found whole. It returns where the content is now.
func (c *claims) doom(p string) (doomed string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.recent[p] || c.earlier[p] {
		return "", nil
	}
	for scratch := range c.scratch {
		if filepath.Dir(scratch) == p {
			return "", nil
		}
	}
	doomed = filepath.Join(filepath.Dir(p), doomedPrefix+filepath.Base(p))
	if err := os.Rename(p, doomed); err != nil {
		return "", err
	}
	return doomed, nil
}

// removeEmpty removes a folder, where there is nothing in it.
func (c *claims) removeEmpty(dir string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = os.Remove(dir)
}
