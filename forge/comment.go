package forge

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"deployer/state"
)

// maxComment is the longest comment in bytes: GitHub takes 65,536 characters.
const maxComment = 65_000

const maxRow = 300 // runes of one cell or line

// red marks what a reviewer must not miss; every forge shows it.
const red = "🔴 "

// section is what is said of one stack, in no more than so many bytes.
func section(run *state.Run, url string, room int) string {
	var b writer
	b.line("%s", headline(run))
	if speaks := speaksOf(run); speaks != "" {
		b.line("")
		b.line("%s", speaks)
	}
	if c := run.Changes; c != nil {
		b.warnings(c)
		b.services(c.Services)
		b.details(c)
	}
	foot := ""
	if url != "" {
		foot = fmt.Sprintf("\n[The whole run](%s)\n", safeLink(pageOf(url, run)))
	}
	return b.within(room-len(foot)) + foot
}

func environmentOf(run *state.Run) string {
	if run.Environment == "" {
		return ""
	}
	return " (" + plain(run.Environment) + ")"
}

// headline is the one line that says it all.
func headline(run *state.Run) string {
	r := run.Review
	where := cmp.Or(plain(run.Environment), plain(run.Stack))
	if f := r.Folder; f.Settled() && r.Ended != state.EndedClosed {
		return folderLine(run, f, where)
	}
	switch {
	case r.Ended == state.EndedMerged && r.Outcome != nil:
		return outcomeLine(r.Outcome, where)
	case r.Ended == state.EndedMerged:
		return fmt.Sprintf("**Merged.** The deploy to %s has not ended yet.", where)
	case r.Ended == state.EndedClosed:
		return fmt.Sprintf("**Closed** without a merge: nothing was deployed to %s.", where)
	case !run.Status.Terminal():
		return "The plan is being made."
	case run.Status == state.RunUnchanged:
		return fmt.Sprintf("Merging this **changes nothing** in %s.", where)
	case run.Status == state.RunFailed:
		return fmt.Sprintf("%s**Merging this would not deploy** to %s: %s", red, where, plain(firstLine(run.Error)))
	case run.Status == state.RunCanceled:
		return "The plan was canceled."
	}
	return fmt.Sprintf("Merging this would **%s** in %s.", actions(run.Changes), where)
}

// folderLine is the headline where no deploy follows from the merge.
func folderLine(run *state.Run, f *state.Folder, where string) string {
	merged, directory := run.Review.Ended == state.EndedMerged, coded(f.Directory)
	switch {
	case f.Change == state.FolderUnread && merged:
		return fmt.Sprintf("**Merged.** It was not planned: %s", plain(firstLine(run.Error)))
	case f.Change == state.FolderUnread:
		return fmt.Sprintf("%s**Not planned**: %s", red, plain(firstLine(run.Error)))
	case f.Change == state.FolderRefused && merged:
		return fmt.Sprintf("%s**Merged, but not deployed**: folder %s is no stack. %s", red, directory, plain(firstLine(run.Error)))
	case f.Change == state.FolderRefused:
		return fmt.Sprintf("%s**Merging this would not deploy** folder %s: %s", red, directory, plain(firstLine(run.Error)))
	case merged:
		return fmt.Sprintf("**Merged.** Folder %s is gone; what runs of it in %s was left alone.", directory, where)
	}
	return fmt.Sprintf("Merging this takes folder %s away and would **touch no container** in %s.", directory, where)
}

func outcomeLine(o *state.Outcome, where string) string {
	commit := coded(shortID(o.Commit))
	switch o.Status {
	case state.RunSucceeded:
		return fmt.Sprintf("**Merged and deployed**: %s is live in %s and was verified.", commit, where)
	case state.RunUnchanged:
		return fmt.Sprintf("**Merged**: %s changes nothing in %s.", commit, where)
	case state.RunRolledBack:
		return fmt.Sprintf("%s**Merged, but rolled back**: %s failed in %s, and %s runs again. %s", red, commit, where, coded(shortID(o.RolledBackTo)), plain(firstLine(o.Error)))
	case state.RunRollbackFailed:
		return fmt.Sprintf("%s**Merged, and both the deploy of %s to %s and its rollback failed**: look at it now. %s", red, commit, where, plain(firstLine(o.Error)))
	case state.RunFailed:
		return fmt.Sprintf("%s**Merged, but not deployed**: %s failed in %s. %s", red, commit, where, plain(firstLine(o.Error)))
	}
	return fmt.Sprintf("**Merged**: the deploy of %s to %s is %s.", commit, where, plain(strings.ReplaceAll(string(o.Status), "_", " ")))
}

// countOf is the number of services that an action is for; to scale is to keep
// the containers that are there, and to have more of them or fewer.
func countOf(c *state.Changes, action string) (n int) {
	for _, s := range c.Services {
		if string(s.Action) == action || action == "scale" && s.Action == state.ActionKeep && s.Changes() {
			n++
		}
	}
	return n
}

// actions counts what would happen: "recreate 2 services and remove 1".
func actions(c *state.Changes) string {
	if c == nil {
		return "change nothing"
	}
	var said []string
	for _, action := range []string{"create", "recreate", "remove", "scale"} {
		n := countOf(c, action)
		switch {
		case n == 0:
		case len(said) > 0:
			said = append(said, fmt.Sprintf("%s %d", action, n))
		case n == 1:
			said = append(said, fmt.Sprintf("%s 1 service", action))
		default:
			said = append(said, fmt.Sprintf("%s %d services", action, n))
		}
	}
	if len(said) == 0 {
		return "touch no container"
	}
	last := len(said) - 1
	if last == 0 {
		return said[0]
	}
	return strings.Join(said[:last], ", ") + " and " + said[last]
}

// speaksOf says which commits the plan is about, and how far it can be trusted.
func speaksOf(run *state.Run) string {
	r := run.Review
	var said []string
	switch {
	case run.Commit == "", r.Folder != nil && r.Folder.Change == state.FolderUnread:
	case r.Head != "" && r.Head != run.Commit:
		said = append(said, fmt.Sprintf("Planned for %s, the merge of %s into %s.", coded(shortID(run.Commit)), coded(shortID(r.Head)), plain(r.Base)))
	default:
		said = append(said, fmt.Sprintf("Planned for %s.", coded(shortID(run.Commit))))
	}
	if r.Ended != "" {
		return strings.Join(said, " ")
	}
	if r.Behind {
		said = append(said, fmt.Sprintf("⚠️ It is behind %s: what %s has got since would not be undone, whatever the plan says.", plain(r.Base), plain(r.Base)))
	}
	if r.Stale {
		said = append(said, "⚠️ **Stale: the base moved** until it is planned again.")
	}
	return strings.Join(said, " ")
}

// A writer gathers the parts of a comment, the most telling first.
type writer struct{ parts []string }

func (b *writer) line(format string, args ...any) {
	b.parts = append(b.parts, fmt.Sprintf(format, args...)+"\n")
}

// within joins the parts that there is room for. A part is left out whole, so
// that no table or fold stays open.
func (b *writer) within(most int) string {
	const left = "\n… there is more than a comment can hold: see the run.\n"
	var out strings.Builder
	for i, p := range b.parts {
		room := most
		if i < len(b.parts)-1 {
			room -= len(left)
		}
		if out.Len()+len(p) > room {
			out.WriteString(left)
			break
		}
		out.WriteString(p)
	}
	return out.String()
}

// warnings are what a reviewer must not miss, outside of any fold.
func (b *writer) warnings(c *state.Changes) {
	var said []string
	add := func(format string, args ...any) { said = append(said, fmt.Sprintf("- "+red+format, args...)) }
	for _, v := range c.Volumes {
		if v.Dangerous {
			add("volume %s changes: %s", coded(v.Name), plain(cmp.Or(v.Why, "its data does not follow")))
		}
	}
	for _, p := range c.Ports {
		if p.Kind == state.ChangeAdded {
			add("opens port %s of %s", coded(p.Port), coded(p.Service))
		}
	}
	for _, v := range c.Values {
		if v.Kind == state.ChangeRemoved {
			add("removes the variable %s", coded(v.Name))
		}
	}
	for _, p := range c.Passed {
		if p.Kind == state.ChangeRemoved {
			add("removes the variable %s from %s", coded(p.Name), coded(p.Service))
		}
	}
	for _, s := range c.Secrets {
		if s.Kind == state.ChangeRemoved {
			add("removes the secret %s", coded(s.Name))
		}
	}
	for _, s := range c.Checks {
		if s.Status == state.StepFailed {
			add("check %s fails: %s", coded(s.Name), plain(firstLine(s.Message)))
		}
	}
	b.list(said)
	var notes []string
	for _, n := range c.Notes {
		notes = append(notes, "- "+plain(n))
	}
	b.list(notes)
}

func (b *writer) list(lines []string) {
	if len(lines) > 0 {
		b.line("\n%s", strings.Join(atMost(lines, 50), "\n"))
	}
}

// services is the table; those that stay are only counted.
func (b *writer) services(services []state.ServiceChange) {
	var rows []string
	kept := 0
	for _, s := range services {
		if !s.Changes() {
			kept++
			continue
		}
		rows = append(rows, fmt.Sprintf("| %s | %s | %s |", coded(s.Name), s.Action, plain(s.Why)))
	}
	if len(rows) > 0 {
		b.line("\n| service | action | why |\n|---|---|---|\n%s", strings.Join(atMost(rows, 100), "\n"))
	}
	if kept > 0 {
		b.line("\n%d kept as they are.", kept)
	}
}

func atMost(lines []string, most int) []string {
	if len(lines) <= most {
		return lines
	}
	return append(slices.Clone(lines[:most]), fmt.Sprintf("… and %d more", len(lines)-most))
}
