package config

import (
	"cmp"
	"slices"
)

// validateClaims notes stacks that would deploy over each other. The same
// folder in several environments may share a project: then the stack that was
// deployed last holds it.
func validateClaims(doc *document, stacks map[string]*Stack) {
	holders := map[string][]*Stack{}
	for _, s := range byLine(doc, stacks) {
		if s.Project == "" {
			continue
		}
		for _, engine := range s.Target.engines() {
			key := engine + " " + s.Project
			for _, other := range holders[key] {
				if other != s && !s.mayShareWith(other) {
					reportClaim(doc, s, other)
				}
			}
			holders[key] = append(holders[key], s)
		}
	}
}

// validateRenames notes stacks that would take over what another has.
func validateRenames(doc *document, stacks map[string]*Stack) {
	takers := map[string]string{}
	for _, s := range byLine(doc, stacks) {
		at := join(join("stacks", s.Name), "renamed_from")
		switch {
		case s.RenamedFrom == "":
			continue
		case stacks[s.RenamedFrom] != nil:
			doc.fail(at, "take one of the two out", "stack %s is there under its old name too (line %d)", s.RenamedFrom, doc.line(join("stacks", s.RenamedFrom)))
		case takers[s.RenamedFrom] != "":
			doc.fail(at, "only one stack can take its history over", "stack %s was %s before too", takers[s.RenamedFrom], s.RenamedFrom)
		}
		takers[s.RenamedFrom] = s.Name
	}
}

func (s *Stack) mayShareWith(other *Stack) bool {
	return s.Repository == other.Repository && s.Directory == other.Directory && s.Environment != other.Environment
}

func reportClaim(doc *document, s, other *Stack) {
	path := join("stacks", s.Name)
	if own := join(path, "project"); doc.given(own) {
		path = own
	}
	doc.fail(path, "give one of them another project or target; only the same folder of the same repository may share, in different environments",
		"stack %s claims project %s on the same target (line %d)",
		other.Name, s.Project, doc.line(join("stacks", other.Name)))
}

func byLine(doc *document, stacks map[string]*Stack) []*Stack {
	var all []*Stack
	for _, s := range stacks {
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b *Stack) int {
		return cmp.Or(cmp.Compare(doc.line(join("stacks", a.Name)), doc.line(join("stacks", b.Name))), cmp.Compare(a.Name, b.Name))
	})
	return all
}
