package pipeline

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/sergi/go-diff/diffmatchpatch"

	"deployer/project"
	"deployer/state"
)

// A side is one of the two that a plan compares; the old one may be empty.
type side struct {
	project *project.Project
	file    []byte // pipeline.yaml
}

// rawFile is pipeline.yaml as the release has it; nil where it has none.
func (k *KeptRelease) rawFile(dir string) []byte {
	raw, err := fs.ReadFile(k.Recipe, path.Join(dir, FileName))
	if err != nil {
		return nil
	}
	return raw
}

// detail adds to a plan what differs between two projects beyond the services.
func (x *Execution) detail(c *state.Changes, old, next side) {
	if old.project == next.project {
		return
	}
	difference, d := project.Compare(old.project, next.project), project.Detail(old.project, next.project)
	for _, i := range d.Images {
		c.Images = append(c.Images, state.ImageChange{
			Service: i.Service, Old: x.Mask.Redact(i.Old.Ref), New: x.Mask.Redact(i.New.Ref),
			OldDigest: digestOf(i.Old), NewDigest: digestOf(i.New),
		})
	}
	for _, p := range d.Opened {
		c.Ports = append(c.Ports, state.PortChange{Service: p.Service, Port: x.Mask.Redact(p.Port), Kind: state.ChangeAdded})
	}
	for _, p := range d.Closed {
		c.Ports = append(c.Ports, state.PortChange{Service: p.Service, Port: x.Mask.Redact(p.Port), Kind: state.ChangeRemoved})
	}
	c.Volumes = named(difference.VolumesAdded, difference.VolumesRemoved, difference.VolumesChanged, true)
	for _, m := range d.Moved {
		c.Volumes = append(c.Volumes, state.NamedChange{Name: m.From, Kind: state.ChangeChanged, Dangerous: true, Why: x.Mask.Redact(m.String())})
	}
	c.Networks = named(difference.NetworksAdded, difference.NetworksRemoved, difference.NetworksChanged, false)
	for _, p := range d.Passed {
		c.Passed = append(c.Passed, state.PassedChange{Service: p.Service, Name: p.Name, Kind: state.ChangeKind(p.Action)})
	}
	for _, v := range d.Values {
		if v.Secret {
			c.Secrets = append(c.Secrets, state.NamedChange{Name: v.Name, Kind: state.ChangeKind(v.Action)})
			continue
		}
		c.Values = append(c.Values, state.ValueChange{Name: v.Name, Kind: state.ChangeKind(v.Action), Old: x.Mask.Redact(v.Old), New: x.Mask.Redact(v.New)})
	}
	for _, f := range d.Files {
		c.Files = append(c.Files, state.NamedChange{Name: f.Path, Kind: state.ChangeKind(f.Action), Why: "mounted by " + strings.Join(f.Services, ", ")})
	}
	c.Pipeline = x.lineChanges(string(old.file), string(next.file))
}

// digestOf is how an image is told from others: by its repository's digest,
// else by its id.
func digestOf(i project.Image) string {
	if _, digest, ok := strings.Cut(i.Digest, "@"); ok {
		return digest
	}
	return i.ID
}

func named(added, removed, changed []string, data bool) (out []state.NamedChange) {
	for kind, names := range map[state.ChangeKind][]string{state.ChangeAdded: added, state.ChangeRemoved: removed, state.ChangeChanged: changed} {
		for _, name := range names {
			n := state.NamedChange{Name: name, Kind: kind, Dangerous: data && kind == state.ChangeChanged}
			if data && kind == state.ChangeRemoved {
				n.Why = "its data stays on the Engine"
			}
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b state.NamedChange) int { return strings.Compare(a.Name, b.Name) })
	return out
}

const (
	maxLines = 200 // of pipeline.yaml that a plan shows
	maxLine  = 200 // runes of one
)

// lineChanges are the lines that differ, masked: what a person has written in
// clear may still be a value that others keep secret.
func (x *Execution) lineChanges(old, next string) (out []state.LineChange) {
	if old == next {
		return nil
	}
	lines := diffmatchpatch.New()
	a, b, index := lines.DiffLinesToRunes(old, next)
	before, after := 0, 0
	for _, d := range lines.DiffCharsToLines(lines.DiffMainRunes(a, b, false), index) {
		for text := range strings.Lines(d.Text) {
			change := state.LineChange{Text: x.Mask.Redact(cut(strings.TrimRight(text, "\r\n"), maxLine))}
			switch d.Type {
			case diffmatchpatch.DiffDelete:
				before++
				change.Kind, change.Line = state.ChangeRemoved, before
			case diffmatchpatch.DiffInsert:
				after++
				change.Kind, change.Line = state.ChangeAdded, after
			default:
				before, after = before+1, after+1
				continue
			}
			if len(out) == maxLines {
				return append(out, state.LineChange{Kind: change.Kind, Line: change.Line, Text: fmt.Sprintf("… only the first %d lines are shown", maxLines)})
			}
			out = append(out, change)
		}
	}
	return out
}

func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
