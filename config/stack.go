package config

import (
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// What to do about drift between the release and what runs.
const (
	ReconcileReport = "report"
	ReconcileHeal   = "heal"
)

// A Stack is what is deployed together: a folder of a repository, a project
// and a target.
type Stack struct {
	Name        string   `yaml:"-"`
	Repository  string   `yaml:"repository"`
	Branch      string   `yaml:"branch"`
	Directory   string   `yaml:"directory"`   // in the repository, slash-separated, "." for its root
	Project     string   `yaml:"project"`     // of Compose
	Environment string   `yaml:"environment"` // of pipeline.yaml; empty: its top level
	Target      Target   `yaml:"target"`
	Approval    bool     `yaml:"approval"`
	Freeze      []Freeze `yaml:"freeze"`
	Reconcile   string   `yaml:"reconcile"`
	Policy      *Policy  `yaml:"policy"` // nil: the server's
	Enabled     bool     `yaml:"enabled"`
	RenamedFrom string   `yaml:"renamed_from"` // the name that it had before
}

func (s *Stack) setDefaults() {
	s.Branch, s.Directory = "main", "."
	s.Reconcile = ReconcileReport
	s.Enabled = true
}

func (s *Stack) complete(name string) {
	s.Name = name
	if s.Project == "" && !s.Template() {
		s.Project = name
	}
	s.Directory = path.Clean(s.Directory)
	s.Target.complete()
}

// Template reports whether the stack stands for one stack in each folder that
// its directory matches.
func (s *Stack) Template() bool { return strings.HasSuffix(s.Name, "/*") }

// In is the stack that a template stands for in one of its folders.
func (s *Stack) In(directory string) (*Stack, error) {
	one := *s
	one.Name, one.Directory = path.Base(directory), directory
	one.Project = strings.ReplaceAll(one.Name, ".", "-")
	if !nameRule.MatchString(one.Name) || !projectRule.MatchString(one.Project) {
		return nil, fmt.Errorf("%q cannot be the name of a stack: %s", one.Name, nameHint)
	}
	return &one, nil
}

// Folder is the folder whose folders a template stands for.
func (s *Stack) Folder() string { return strings.TrimSuffix(s.Directory, "/*") }

var (
	projectRule     = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)
	templateRule    = regexp.MustCompile(`^([a-z0-9][a-z0-9._-]*/)+\*$`)
	environmentRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)
	branchRule      = regexp.MustCompile(`^[^\s~^:?*\[\\/.-][^\s~^:?*\[\\]*$`)
)

func (s *Stack) validate(doc *document, at string, repositories map[string]*Repository) {
	s.validateName(doc, at)
	s.validateRepository(doc, at, repositories)
	s.validateRenamed(doc, at)
	switch {
	case strings.HasPrefix(s.Branch, "refs/"):
		doc.fail(join(at, "branch"), "write main, not refs/heads/main", "%q is a full ref", s.Branch)
	case !branchRule.MatchString(s.Branch) || strings.Contains(s.Branch, "..") || strings.HasSuffix(s.Branch, "/") || strings.HasSuffix(s.Branch, ".lock"):
		doc.fail(join(at, "branch"), "write a branch's short name, such as main", "%q is not a name that Git allows", s.Branch)
	}
	if s.Environment != "" && !environmentRule.MatchString(s.Environment) {
		doc.fail(join(at, "environment"), "name an entry of pipeline.yaml's environments", "%q cannot be a name", s.Environment)
	}
	s.Target.validate(doc, join(at, "target"))
	oneOf(doc, join(at, "reconcile"), s.Reconcile, ReconcileReport, ReconcileHeal)
	s.Policy.validate(doc, join(at, "policy"))
}

func (s *Stack) validateName(doc *document, at string) {
	if s.Template() {
		s.validateTemplate(doc, at)
		return
	}
	if !nameRule.MatchString(s.Name) {
		doc.fail(at, nameHint, "%q cannot be the name of a stack", s.Name)
	}
	if strings.Contains(s.Directory, "*") || !fs.ValidPath(s.Directory) {
		doc.fail(join(at, "directory"), "write a folder of the repository, such as apps/shop, or . for its root", "%q is not a folder inside the repository", s.Directory)
	}
	switch {
	case projectRule.MatchString(s.Project):
	case doc.given(join(at, "project")):
		doc.fail(join(at, "project"), "use small letters, digits, dashes and underscores, and start with a letter or digit", "%q cannot be the name of a Compose project", s.Project)
	case nameRule.MatchString(s.Name):
		doc.fail(at, "give project: "+strings.ReplaceAll(s.Name, ".", "-"), "the stack's name cannot be the name of its Compose project")
	}
}

func (s *Stack) validateTemplate(doc *document, at string) {
	if !templateRule.MatchString(s.Name) {
		doc.fail(at, `write folders and a star at the end, such as "apps/*"`, "%q cannot stand for several stacks", s.Name)
	}
	if folder, ok := strings.CutSuffix(s.Directory, "/*"); !ok || strings.Contains(folder, "*") || !fs.ValidPath(folder) {
		doc.fail(join(at, "directory"), `write "apps/*"`, "the directory of several stacks ends in /* and stays inside the repository")
	}
	if s.Project != "" {
		doc.fail(join(at, "project"), "take it out: each is named after its folder", "several stacks cannot share a project")
	}
}

func (s *Stack) validateRenamed(doc *document, at string) {
	switch at := join(at, "renamed_from"); {
	case s.RenamedFrom == "":
	case s.Template():
		doc.fail(at, "take it out: each is named after its folder", "several stacks cannot have been one before")
	case !nameRule.MatchString(s.RenamedFrom):
		doc.fail(at, nameHint, "%q cannot be the name of a stack", s.RenamedFrom)
	}
}

func (s *Stack) validateRepository(doc *document, at string, repositories map[string]*Repository) {
	doc.require(at, "repository", "name an entry of repositories")
	if !doc.ok(join(at, "repository")) || repositories[s.Repository] != nil || doc.given(join("repositories", s.Repository)) {
		return
	}
	hint := "add it under repositories"
	if near := nearest(s.Repository, slices.Sorted(maps.Keys(repositories))); near != "" {
		hint = "did you mean " + near + "?"
	}
	doc.fail(join(at, "repository"), hint, "there is no repository %q", s.Repository)
}
