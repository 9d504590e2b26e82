package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A keptStack is a stack with a volume that is backed up.
type keptStack struct{ dataStack }

func newKeptStack(t *testing.T) keptStack { return keptStack{newDataStack(t)} }

func (s keptStack) to() string     { return s.Path("backups") }
func (s keptStack) volume() string { return s.Stack + "_data" }

// files are a commit of the stack, with more of backup: in pipeline.yaml.
func (s keptStack) files(version, options string) gittest.Files {
	files := s.commit(version, `"data:/data"`, "", "volumes: {data: {}}\n")
	files["pipeline.yaml"] = gittest.Text(fmt.Sprintf("verify: [{check: http, url: 'http://127.0.0.1:%s/', within: 30s}]\nbackup: {volumes: [data], to: %s%s}\n", s.port, s.to(), options))
	return files
}

// deployed is the stack deployed, with data in its volume.
func (s keptStack) deployed(options string) {
	s.t.Helper()
	_, run := s.Push("first", s.files("one", options))
	producttest.MustEnd(s.t, run, state.RunSucceeded)
	s.fill("precious")
}

// fill writes files with owners, modes and links into the volume.
func (s keptStack) fill(content string) {
	s.t.Helper()
	root := s.mountpoint()
	try := func(errs ...error) {
		s.t.Helper()
		for _, err := range errs {
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
	old := time.Date(2020, 2, 3, 4, 5, 6, 0, time.UTC)
	file := filepath.Join(root, "file")
	_ = os.RemoveAll(filepath.Join(root, "sub"))
	_ = os.Remove(filepath.Join(root, "again"))
	try(os.WriteFile(file, []byte(content), 0o640), os.Chown(file, 70, 71), os.Chmod(file, 0o640), os.Link(file, filepath.Join(root, "again")),
		os.Mkdir(filepath.Join(root, "sub"), 0o700), os.Chown(filepath.Join(root, "sub"), 999, 998), os.Chmod(filepath.Join(root, "sub"), 0o750|fs.ModeSetgid),
		os.Symlink("../file", filepath.Join(root, "sub", "link")), os.Symlink("/etc/outside", filepath.Join(root, "sub", "out")),
		os.Lchown(filepath.Join(root, "sub", "link"), 5, 6), os.Chtimes(file, old, old), os.Chown(root, 33, 34), os.Chmod(root, 0o711))
}

func (s keptStack) mountpoint() string {
	s.t.Helper()
	v, err := s.Engine.VolumeInspect(s.t.Context(), s.volume())
	if err != nil {
		s.t.Fatal(err)
	}
	return v.Mountpoint
}

// holds is everything that can be told of the volume, a line an entry.
func (s keptStack) holds() string {
	s.t.Helper()
	root := s.mountpoint()
	var lines []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		is := info.Sys().(*syscall.Stat_t)
		rel, _ := filepath.Rel(root, path)
		line := fmt.Sprintf("%s %s %d:%d", rel, info.Mode(), is.Uid, is.Gid)
		if info.Mode().IsRegular() {
			content, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" ×%d %d %.40q", is.Nlink, info.ModTime().Unix(), content)
		}
		if info.Mode()&fs.ModeSymlink != 0 {
			target, _ := os.Readlink(path)
			line += " → " + target
		}
		lines = append(lines, line)
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

// backup makes a backup by the command line and returns it.
func (s keptStack) backup() *state.Backup {
	s.t.Helper()
	if out, code := s.CLI("backup", s.Stack); code != 0 {
		s.t.Fatalf("backup: exit %d\n%s", code, out)
	}
	return s.backups()[0]
}

func (s keptStack) backups() []*state.Backup {
	s.t.Helper()
	if out, code := s.CLI("backup", "list", s.Stack); code != 0 || !strings.HasPrefix(out, "BACKUP") {
		s.t.Fatalf("backup list: exit %d\n%s", code, out)
	}
	out, code := s.CLI("backups", s.Stack, "--json")
	var page struct{ Backups []*state.Backup }
	if err := json.Unmarshal([]byte(out), &page); err != nil || code != 0 {
		s.t.Fatalf("backups: exit %d, %v\n%s", code, err, out)
	}
	return page.Backups
}

// mustBeTidy wants nothing left of reading and writing volumes, and every
// container running.
func (s keptStack) mustBeTidy() {
	s.t.Helper()
	helpers, err := s.Engine.ContainerList(s.t.Context(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "deployer.volume-helper="+s.Stack))})
	if err != nil || len(helpers) > 0 {
		s.t.Errorf("%d helpers are left, %v", len(helpers), err)
	}
	left, _ := filepath.Glob(filepath.Join(s.to(), ".*"))
	if len(left) > 0 {
		s.t.Errorf("half-written files are left: %v", left)
	}
	if got := s.state(); got != "running" {
		s.t.Errorf("the container is %s", got)
	}
}

// state is that of the container, empty where there is none.
func (s keptStack) state() string {
	s.t.Helper()
	id := s.Containers()["web"]
	if id == "" {
		return ""
	}
	c, err := s.Engine.ContainerInspect(s.t.Context(), id)
	if err != nil {
		return ""
	}
	return c.State.Status
}

// started is when the container was.
func (s keptStack) started() string {
	s.t.Helper()
	c, err := s.Engine.ContainerInspect(s.t.Context(), s.Containers()["web"])
	if err != nil {
		s.t.Fatal(err)
	}
	return c.State.StartedAt
}

// lose removes the volume and what mounts it.
func (s keptStack) lose() {
	s.t.Helper()
	if err := s.Engine.ContainerRemove(s.t.Context(), s.Containers()["web"], container.RemoveOptions{Force: true}); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Engine.VolumeRemove(s.t.Context(), s.volume(), false); err != nil {
		s.t.Fatal(err)
	}
}

func (s keptStack) last() *state.Run {
	s.t.Helper()
	return s.History()[0]
}
