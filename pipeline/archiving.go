package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/docker/go-units"

	"deployer/backup"
	"deployer/state"
)

// An archiving makes archives of volumes in one folder.
type archiving struct {
	x    *Execution
	v    Volumes
	to   string
	why  string
	made []*state.Backup

	parts []*backup.Part
}

// run holds the services that use the volumes as mode says, reads all volumes,
// lets the services go on, and reads the archives back.
func (a *archiving) run(ctx context.Context, names []string, mode string) error {
	defer func() {
		for _, p := range a.parts {
			p.Discard()
		}
	}()
	if err := a.prepare(ctx); err != nil {
		return err
	}
	held := func() error {
		if mode != modeRunning {
			if err := a.hold(ctx, names, mode == modeStopped); err != nil {
				return err
			}
		}
		return a.read(ctx, names)
	}()
	if mode != modeRunning {
		released := a.x.Step(ctx, "let go", func(context.Context) (string, error) {
			return "the services go on", a.x.runner.LetGo(a.x.Stack, nil)
		})
		held = errors.Join(held, released)
	}
	if held != nil {
		return held
	}
	return a.finish(ctx)
}

func (a *archiving) prepare(ctx context.Context) error {
	return a.x.Step(ctx, "place", func(ctx context.Context) (string, error) {
		if err := a.v.RemoveHelpers(ctx, a.x.Stack.Project); err != nil {
			return "", err
		}
		return a.to + " can be written", a.x.preparePlace(a.to)
	})
}

func (a *archiving) hold(ctx context.Context, names []string, stop bool) error {
	name, done := "pause", "paused"
	if stop {
		name, done = "stop", "stopped"
	}
	return a.x.Step(ctx, name, func(ctx context.Context) (string, error) {
		users, err := a.v.Users(ctx, names)
		if err != nil {
			return "", err
		}
		var ours, theirs []string
		for _, u := range users {
			switch {
			case u.Project == a.x.Stack.Project:
				ours = append(ours, u.Name)
			case u.State == "running":
				theirs = append(theirs, u.Name)
			}
		}
		said := fmt.Sprintf("%s %s", strings.Join(ours, ", "), done)
		if len(ours) == 0 {
			said = "no container of the stack mounts it"
		}
		if len(theirs) > 0 {
			said += "; of other projects, these mount it and go on: " + strings.Join(theirs, ", ")
		}
		return said, a.x.hold(ctx, a.v, users, stop)
	})
}

// read reads the volumes into archives that have no name yet.
func (a *archiving) read(ctx context.Context, names []string) error {
	x := a.x
	about := backup.Manifest{
		Version: x.runner.parts.Version, Stack: x.Stack.ShelfName(), Project: x.Stack.Project, Run: x.Run.ID, Why: a.why,
	}
	if live := x.Known.Live; live != nil {
		about.Release, about.Commit = live.ID, live.Commit
	}
	for _, name := range names {
		about.Volume, about.StartedAt = name, x.runner.now().UTC().Truncate(time.Second)
		err := x.Step(ctx, "read "+name, func(ctx context.Context) (string, error) {
			var part *backup.Part
			err := a.v.ReadVolume(ctx, x.Stack.Project, name, func(content io.Reader) (err error) {
				part, err = backup.Write(a.to, about, content)
				return err
			})
			if part != nil {
				a.parts = append(a.parts, part)
			}
			if err != nil {
				return "", placeError(a.to, err)
			}
			return part.String(), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// finish reads the archives back, and gives them their names.
func (a *archiving) finish(ctx context.Context) error {
	x := a.x
	for _, part := range a.parts {
		err := x.Step(ctx, "read back", func(context.Context) (string, error) {
			m, err := part.Finish(x.runner.now(), func(id string) bool {
				err := x.runner.store.View(func(tx *state.Tx) error { _, err := tx.Backup(id); return err })
				return err == nil
			})
			if err != nil {
				return "", placeError(a.to, err)
			}
			b := a.x.recordOf(m, a.to)
			a.made = append(a.made, b)
			if err := x.journal.Commit(x.Run, func(tx *state.Tx) error { return tx.PutBackup(b) }); err != nil {
				return "", err
			}
			said := fmt.Sprintf("%s: %d entries, %s, sha256 %.12s…", m.Path(a.to), m.Files, units.BytesSize(float64(m.Size)), m.SHA256)
			if m.OutwardLinks > 0 {
				said += fmt.Sprintf("; %d symlinks lead out of the volume", m.OutwardLinks)
			}
			return said, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (x *Execution) recordOf(m *backup.Manifest, folder string) *state.Backup {
	return &state.Backup{
		ID: m.ID, Stack: x.Stack.Name, Project: m.Project, Volume: m.Volume, Run: m.Run, Why: m.Why, Release: m.Release, Commit: m.Commit,
		At: m.StartedAt, Archive: m.Path(folder), Size: m.Size, Content: m.Content, Files: m.Files, SHA256: m.SHA256, OutwardLinks: m.OutwardLinks,
	}
}
