package queue

import (
	"context"
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

// A concernedFolder is one that a pull request concerns, and what the merge
// makes of its stack.
type concernedFolder struct {
	state.Folder
	stack   string          // its name; the folder's path where it is no stack
	of      *pipeline.Stack // nil where it is refused
	refused string          // why
	hint    string          // what to do about it
	runs    []string
	said    bool // there is such a review already
}

// folderSets are the expansions of a branch as it is, and as the merge makes it.
type folderSets struct {
	before, after *expansion
	changed       []string // paths
}

// concernedByPull finds the folders that a pull request concerns, as a look at
// the branch would after the merge, by name of their stacks.
func (q *Queue) concernedByPull(ctx context.Context, b *branch, p *gitsync.Proposal) ([]concernedFolder, error) {
	from := p.Base
	if p.Left != "" { // what the base has got since is not the pull request's
		if left, err := b.mirror.FetchCommit(ctx, b.name, p.Left); err == nil {
			from = left
		}
	}
	changed, err := gitsync.Diff(ctx, from, p.Snapshot)
	if err != nil || len(changed) == 0 {
		return nil, err
	}
	var out []concernedFolder
	err = q.store.View(func(tx *state.Tx) error {
		out = nil
		sets, err := q.foldersOf(tx, b, p, changed)
		if err != nil {
			return err
		}
		if out, err = sets.concerned(tx, b); err != nil {
			return err
		}
		pairRenamed(p, out)
		return nil
	})
	return out, err
}

// foldersOf expands the folders of the base and of what is proposed. A folder
// of the base stays where the pull request only lacks it.
func (q *Queue) foldersOf(tx *state.Tx, b *branch, p *gitsync.Proposal, changed []string) (*folderSets, error) {
	o := q.setup.Load().origin
	kept, err := keptTemplates(tx, o)
	if err != nil {
		return nil, err
	}
	known := map[string][]string{}
	for name, k := range kept {
		known[name] = slices.Clone(k.Folders)
	}
	expand := func(folders map[string][]string, known func(*Template, string) bool) *expansion {
		for _, t := range b.templates {
			k, found := kept[t.Name], folders[t.Name]
			k.Left = slices.DeleteFunc(append(k.Left, k.Folders...), func(d string) bool { return slices.Contains(found, d) })
			k.Folders = found
		}
		return o.expand(kept, known)
	}
	base, proposed := map[string][]string{}, map[string][]string{}
	for _, t := range b.templates {
		if base[t.Name], err = t.folders(p.Base); err != nil {
			return nil, err
		}
		next, err := t.folders(p.Snapshot)
		if err != nil {
			return nil, err
		}
		next = slices.DeleteFunc(next, func(d string) bool { return !slices.Contains(base[t.Name], d) && !touches(changed, d) })
		for _, d := range base[t.Name] {
			if !slices.Contains(next, d) && !touches(changed, d) {
				next = append(next, d)
			}
		}
		slices.Sort(next)
		proposed[t.Name] = next
	}
	sets := &folderSets{changed: changed}
	sets.before = expand(base, func(t *Template, d string) bool { return slices.Contains(known[t.Name], d) })
	sets.after = expand(proposed, sets.before.has)
	return sets, nil
}

// touches reports whether a path is in a folder.
func touches(changed []string, directory string) bool {
	return slices.ContainsFunc(changed, func(name string) bool { return strings.HasPrefix(name, directory+"/") })
}

func (s *folderSets) concerned(tx *state.Tx, b *branch) (out []concernedFolder, err error) {
	ours := func(stack *pipeline.Stack) bool {
		return stack != nil && !stack.Left && slices.ContainsFunc(b.templates, func(t *Template) bool { return t.Name == stack.Template })
	}
	for _, name := range slices.Sorted(maps.Keys(s.after.stacks)) {
		stack, was := s.after.stacks[name], s.before.stacks[name]
		if !ours(stack) {
			continue
		}
		c := concernedFolder{Folder: state.Folder{Template: stack.Template, Directory: stack.Directory}, stack: name, of: stack}
		switch {
		case !ours(was):
			c.Change = state.FolderAdded
		case was.Directory != stack.Directory:
			c.Change, c.Other = state.FolderMoved, was.Directory
		default:
			known, err := tx.Stack(name)
			if err != nil {
				return nil, err
			}
			if concerned, err := pipeline.Concerns(s.changed, stack.Directory, known.Paths, known.Reads); err != nil {
				return nil, err
			} else if concerned == "" {
				continue
			}
		}
		out = append(out, c)
	}
	for _, name := range slices.Sorted(maps.Keys(s.before.stacks)) {
		was := s.before.stacks[name]
		if !ours(was) || ours(s.after.stacks[name]) {
			continue
		}
		c := concernedFolder{Folder: state.Folder{Template: was.Template, Directory: was.Directory, Change: state.FolderRemoved}, stack: name, of: was}
		known, err := tx.Stack(name)
		if err != nil {
			return nil, err
		}
		if known.Live != nil {
			c.runs = slices.Sorted(maps.Keys(known.Live.Images))
		}
		out = append(out, c)
	}
	for _, c := range s.after.collisions {
		if touches(s.changed, c.directory) && slices.Contains(b.templates, c.template) {
			out = append(out, concernedFolder{
				Folder: state.Folder{Template: c.template.Name, Directory: c.directory, Change: state.FolderRefused}, stack: c.directory, refused: c.text, hint: refusedHint,
			})
		}
	}
	return out, nil
}

// pairRenamed finds the folders that have the files of one that goes.
func pairRenamed(p *gitsync.Proposal, all []concernedFolder) {
	same := func(gone, added string) bool {
		return slices.ContainsFunc(stackFiles, func(name string) bool {
			before, err := fs.ReadFile(p.Base, path.Join(gone, name))
			if err != nil {
				return false
			}
			after, err := fs.ReadFile(p.Snapshot, path.Join(added, name))
			return err == nil && string(before) == string(after)
		})
	}
	for i := range all {
		for j := range all {
			if all[i].Change == state.FolderRemoved && all[j].Change == state.FolderAdded && all[j].Other == "" && same(all[i].Directory, all[j].Directory) {
				all[i].Other, all[j].Other = all[j].Directory, all[i].Directory
				break
			}
		}
	}
}

// review is the run that plans the folder's part of a pull request. Where no
// deploy follows from the merge, the look has said all, and it is over.
func (c *concernedFolder) review(b *branch, p state.Pull, at time.Time) *state.Run {
	t := b.templates[slices.IndexFunc(b.templates, func(t *Template) bool { return t.Name == c.Template })]
	run := &state.Run{
		ID: state.NewRunID(), Stack: c.stack, Kind: state.KindReview,
		Trigger: state.Trigger{Kind: state.TriggerWebhook, Actor: p.Actor, Delivery: p.Delivery, Reason: p.Reason},
		Commit:  p.Head, Subject: p.Title, Author: p.Author,
		Status: state.RunQueued, CreatedAt: at, Stages: []state.StageResult{},
		Review: &state.Review{
			Pull: p.Number, Title: p.Title, Base: b.name, Head: p.Head, HeadRef: p.HeadRef, Fork: p.Fork, Folder: &c.Folder,
		},
	}
	if t.Reports {
		run.Forge = t.Repository
	}
	if c.of != nil {
		run.Environment = c.of.Environment
	}
	if c.Settled() {
		c.settle(run, b, at)
	}
	return run
}

// settle ends a review with what the look has found.
func (c *concernedFolder) settle(run *state.Run, b *branch, at time.Time) {
	step := state.Step{Name: "folder " + c.Directory, Status: state.StepPassed}
	run.StartedAt, run.FinishedAt = &at, &at
	if c.refused != "" {
		run.Status, run.Error, run.Hint = state.RunFailed, c.refused, c.hint
		step.Status, step.Message, step.Hint = state.StepFailed, run.Error, run.Hint
	} else {
		run.Status = state.RunSucceeded
		said := leftAlone(c.of, b.name)
		run.Changes = &state.Changes{Notes: []string{"once it is merged: " + said}}
		for _, service := range c.runs {
			run.Changes.Services = append(run.Changes.Services, state.ServiceChange{Name: service, Action: state.ActionKeep})
		}
		if c.Other != "" {
			run.Changes.Notes = append(run.Changes.Notes, c.Other+" has its files: a folder of another name is another stack, which starts beside this one with volumes of its own")
		}
		step.Message = said
	}
	status := state.StagePassed
	if run.Status == state.RunFailed {
		status = state.StageFailed
	}
	run.Stages = []state.StageResult{{Name: state.StageFetch, Status: status, StartedAt: &at, FinishedAt: &at, Steps: []state.Step{step}}}
}

// refusedHint is what can be done about a folder that is no stack.
const refusedHint = "the folder is not deployed: rename it, or change the other in deployer.yaml"
