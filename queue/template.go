package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"time"

	"deployer/gitsync"
	"deployer/pipeline"
	"deployer/state"
)

// A Template stands for one stack in each folder of a branch, named after the
// folder's last part. The folders are those of the branch's tip.
type Template struct {
	Name       string // as deployer.yaml has it: apps/*
	Repository string
	Branch     string // short name
	Folder     string // the one whose folders are stacks
	Poll       time.Duration
	Mirror     *gitsync.Mirror
	Provider   string // of its webhooks
	Reports    bool   // the repository's forge is told
	PlanForks  bool   // pull requests from other repositories get a reduced plan
	// Make makes the stack of one folder, given its name and directory.
	Make func(name, directory string) (*pipeline.Stack, error)
}

func (t *Template) ref() string { return "refs/heads/" + t.Branch }

// stackFiles make a folder one of a stack.
var stackFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml", pipeline.FileName}

// folders lists the folders of a tree that are stacks of the template.
func (t *Template) folders(tree fs.FS) ([]string, error) {
	entries, err := fs.ReadDir(tree, t.Folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.Folder, err)
	}
	var out []string
	for _, e := range entries {
		at := path.Join(t.Folder, e.Name())
		// Whether a submodule is one of a stack cannot be told before it is fetched.
		if e.IsDir() && e.Type()&fs.ModeIrregular == 0 && slices.ContainsFunc(stackFiles, func(name string) bool { return isFile(tree, path.Join(at, name)) }) {
			out = append(out, at)
		}
	}
	return out, nil
}

func isFile(tree fs.FS, name string) bool {
	info, err := fs.Stat(tree, name)
	return err == nil && info.Mode().IsRegular()
}

// An origin is what deployer.yaml says of a queue's work. The setups that are
// made of it differ in the folders that its templates have at the time.
type origin struct {
	stacks    []*pipeline.Stack
	workers   int
	templates []*Template
	branches  []*branch
	replaced  chan struct{} // closed when another is in its place
}

func newOrigin(stacks []*pipeline.Stack, workers int, templates []*Template) *origin {
	o := &origin{stacks: stacks, workers: workers, templates: templates, replaced: make(chan struct{})}
	for _, t := range templates {
		at := slices.IndexFunc(o.branches, func(b *branch) bool { return b.repository == t.Repository && b.name == t.Branch })
		if at < 0 {
			at = len(o.branches)
			o.branches = append(o.branches, &branch{repository: t.Repository, name: t.Branch, mirror: t.Mirror, poll: t.Poll, wake: make(chan struct{}, 1), pulled: make(chan struct{}, 1)})
		}
		o.branches[at].templates = append(o.branches[at].templates, t)
	}
	return o
}

// A collision is why a folder is no stack.
type collision struct {
	place        // that is none
	stack string // the name that it would have
	text  string // names the folder, and what stands in its way
}

// A place is a folder of a template.
type place struct {
	template  *Template
	directory string
	known     bool // it was a stack before
}

func (p place) String() string { return "folder " + p.directory + " of " + p.template.Name }

// An expansion makes stacks of folders.
type expansion struct {
	stacks     map[string]*pipeline.Stack
	titles     map[string]string // of those that there are, for messages
	collisions []collision
}

// expand makes the stacks of the templates' folders. Where two would have one
// name or project, the one that was there before has it; of two that are new,
// neither.
func (o *origin) expand(kept map[string]*state.Template, known func(t *Template, directory string) bool) *expansion {
	e := &expansion{stacks: map[string]*pipeline.Stack{}, titles: map[string]string{}}
	for _, s := range o.stacks {
		e.stacks[s.Name], e.titles[s.Name] = s, "stack "+s.Name+" of deployer.yaml"
	}
	byName := map[string][]place{}
	for _, t := range o.templates {
		for _, directory := range kept[t.Name].Folders {
			name := path.Base(directory)
			byName[name] = append(byName[name], place{t, directory, known(t, directory)})
		}
	}
	names := slices.Sorted(maps.Keys(byName))
	// Those that were there before come first: they keep their projects.
	slices.SortStableFunc(names, func(a, b string) int { return rank(byName[a]) - rank(byName[b]) })
	for _, name := range names {
		e.settle(name, byName[name])
	}
	for _, t := range o.templates {
		for _, directory := range kept[t.Name].Left {
			if name := path.Base(directory); e.stacks[name] == nil {
				if s, err := t.Make(name, directory); err == nil {
					s.Template, s.Left = t.Name, true
					e.stacks[name] = s
				}
			}
		}
	}
	return e
}

func rank(places []place) int {
	if slices.ContainsFunc(places, func(p place) bool { return p.known }) {
		return 0
	}
	return 1
}

// settle decides which of the folders of one name is the stack.
func (e *expansion) settle(name string, places []place) {
	slices.SortStableFunc(places, func(a, b place) int { return rank([]place{a}) - rank([]place{b}) })
	switch holder := e.titles[name]; {
	case holder != "":
		for _, p := range places {
			e.refuse(name, p, "%s and %s have the same name", p, holder)
		}
		return
	case len(places) > 1 && !places[0].known:
		for i, p := range places {
			e.refuse(name, p, "%s and %s have the same name", p, places[(i+1)%len(places)])
		}
		return
	}
	for _, p := range places[1:] {
		e.refuse(name, p, "%s and %s have the same name", p, places[0])
	}
	e.add(name, places[0])
}

// add makes a folder's stack, where no other claims its project.
func (e *expansion) add(name string, p place) {
	s, err := p.template.Make(name, p.directory)
	if err != nil {
		e.refuse(name, p, "%s cannot be a stack: %v", p, err)
		return
	}
	for _, other := range slices.Sorted(maps.Keys(e.stacks)) {
		o := e.stacks[other]
		shares := o.Repository == s.Repository && o.Directory == s.Directory && o.Environment != s.Environment
		if o.Claim == s.Claim && !shares {
			e.refuse(other, p, "%s and %s claim the same project, %s", p, e.titles[other], s.Project)
			return
		}
		if o.ShelfName() == s.ShelfName() {
			e.refuse(other, p, "%s would keep its files where %s has kept them since it had that name", p, e.titles[other])
			return
		}
	}
	s.Template = p.template.Name
	e.stacks[name], e.titles[name] = s, p.String()
}

func (e *expansion) refuse(stack string, p place, format string, args ...any) {
	e.collisions = append(e.collisions, collision{p, stack, fmt.Sprintf(format, args...)})
}

// has reports whether a folder is a stack.
func (e *expansion) has(t *Template, directory string) bool {
	s := e.stacks[path.Base(directory)]
	return s != nil && s.Template == t.Name && s.Directory == directory && !s.Left
}

// leftAlone is what the stack of a folder says that is gone.
func leftAlone(s *pipeline.Stack, branch string) string {
	return fmt.Sprintf("folder %s is no longer on %s: what runs of it was left alone; bring the folder back, or stop project %s by hand", s.Directory, branch, s.Project)
}

// warnings are what people should know of each stack's place, by name; empty
// where that is nothing. What is gone from other branches it leaves out.
func (e *expansion) warnings(templates []*Template) map[string]string {
	out := map[string]string{}
	for name, s := range e.stacks {
		if !s.Left {
			out[name] = ""
			continue
		}
		for _, t := range templates {
			if t.Name == s.Template {
				out[name] = leftAlone(s, t.Branch)
			}
		}
	}
	for _, c := range e.collisions {
		if text, ok := out[c.stack]; ok {
			out[c.stack] = strings.TrimPrefix(text+"; "+c.text+", so the folder is not deployed: rename it", "; ")
		}
	}
	return out
}
