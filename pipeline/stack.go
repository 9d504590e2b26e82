package pipeline

import (
	"cmp"
	"path/filepath"
	"time"

	"deployer/gitsync"
	"deployer/project"
	"deployer/secrets"
)

// A Stack is what the server's configuration says of one stack, with the
// parts that its runs work with.
type Stack struct {
	Name        string
	Repository  string
	Branch      string // short name
	Directory   string // in the repository, "." for its root
	Project     string // compose project
	Environment string // an entry of pipeline.yaml's environments; empty for its top level
	Claim       string // what no two runs may change at once: target and project
	RenamedFrom string // the name whose history it takes over, where anything is kept of that
	Shelf       string // what its files, images and archives are kept under; empty: its name
	Poll        time.Duration
	Provider    string   // of the forge: which refs it keeps for pull requests
	PlanForks   bool     // pull requests from other repositories get a reduced plan
	Approval    bool     // a push waits for a person once preflight has passed
	Freezes     []Freeze // when pushes wait
	Policy      Policy   // judges what is new; nil: everything may run
	Template    string   // that it comes from; empty where deployer.yaml names the stack itself
	Left        bool     // its folder is no longer on the branch; what runs of it was left alone
	Reports     bool     // the repository's forge is told of runs that wait
	// Configured reports whether deployer.yaml has a stack of a name; nil: none.
	Configured func(name string) bool

	Mirror *gitsync.Mirror
	Keys   secrets.Keyring
	Target Target
	Roots  project.Roots
}

// Ref is the full name of the stack's branch.
func (s *Stack) Ref() string { return "refs/heads/" + s.Branch }

// Forge is what Run.Forge of the stack's runs is.
func (s *Stack) Forge() string {
	if s.Reports {
		return s.Repository
	}
	return ""
}

// ShelfName is what the stack's files, images and archives are kept under. A
// stack that was renamed keeps its first one: containers are bound to its folders.
func (s *Stack) ShelfName() string { return cmp.Or(s.Shelf, s.Name) }

// NewRoots returns the folders below data, and on tmpfs, that a stack's
// mounts live in, by its shelf. They stay the same for the life of the stack:
// containers are bound to them.
func NewRoots(data, tmpfs, shelf string) project.Roots {
	return project.Roots{
		Objects: filepath.Join(data, "objects"),
		Copies:  filepath.Join(data, "stacks", shelf, "copies"),
		Data:    filepath.Join(data, "stacks", shelf, "data"),
		Secrets: filepath.Join(tmpfs, shelf),
	}
}
