package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
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

func TestALostVolumeIsRestored(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{"paused", "stopped", "running"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newKeptStack(t)
			s.deployed(", mode: " + mode)
			before, id, started := s.holds(), s.Containers()["web"], s.started()
			b := s.backup()
			producttest.MustEnd(t, s.last(), state.RunSucceeded)
			if s.Containers()["web"] != id || s.holds() != before {
				t.Errorf("the backup changed something:\n%s", s.holds())
			}
			s.mustBeTidy()
			info, err := os.Stat(b.Archive)
			if err != nil || info.Mode().Perm() != 0o600 || info.Size() != b.Size || filepath.Dir(b.Archive) != s.to() || !strings.HasPrefix(b.ID, s.volume()+"-20") {
				t.Errorf("%+v: %v %v", b, info, err)
			}
			if again := s.started() != started; again != (mode == "stopped") {
				t.Errorf("in mode %s the container was started anew: %t", mode, again)
			}

			s.lose()
			if out, code := s.CLI("restore", b.ID, "--yes"); code != 0 {
				t.Fatalf("restore: exit %d\n%s", code, out)
			}
			if after := s.holds(); after != before {
				t.Errorf("before\n%s\nafter\n%s", before, after)
			}
			if got := s.sees("/data/file"); got != "200 precious" {
				t.Errorf("the container sees %q", got)
			}
			s.mustBeTidy()
			if now := s.Now(); now.Health != "healthy" || now.Lock != nil {
				t.Errorf("the stack is %s, %+v", now.Health, now.Lock)
			}
			_, run := s.Push("next", s.files("two", ""))
			producttest.MustEnd(t, run, state.RunSucceeded)
			if got := s.sees("/data/file"); got != "200 precious" {
				t.Errorf("after the next release the container sees %q", got)
			}
		})
	}
}

func TestARestoreKeepsWhatWasThere(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	before := s.holds()
	b := s.backup()
	s.fill("newer")
	if err := os.WriteFile(s.mountpoint()+"/more", []byte("more"), 0o600); err != nil {
		t.Fatal(err)
	}
	newer := s.holds()
	if out, code := s.CLI("restore", b.ID); code != 2 || !strings.Contains(out, "nothing was done") || s.holds() != newer {
		t.Errorf("without a yes: exit %d\n%s", code, out)
	}
	if status := s.Call("deployer", http.MethodPost, "/api/v1/backups/"+b.ID+"/restore", nil, nil); status != http.StatusForbidden {
		t.Errorf("a deployer's restore is answered %d", status)
	}
	if out, code := s.CLI("restore", b.ID, "--yes", "--reason", "a test"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, out)
	}
	if after := s.holds(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	safety := s.backups()[0]
	if safety.ID == b.ID || !strings.Contains(safety.Why, b.ID) {
		t.Fatalf("there is no backup of what was there: %+v", safety)
	}
	if out, code := s.CLI("restore", safety.ID, "--yes"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, out)
	}
	if after := s.holds(); after != newer {
		t.Errorf("before\n%s\nafter\n%s", newer, after)
	}
	s.mustBeTidy()
}

func TestBackupBeforeADeployDecides(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed(", before_deploy: true") // the volume is not there yet
	if n := len(s.backups()); n != 0 {
		t.Errorf("%d backups of a volume that did not exist", n)
	}
	_, run := s.Push("second", s.files("two", ", before_deploy: true"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	list := s.backups()
	if len(list) != 1 || list[0].Run != run.ID || !strings.Contains(list[0].Why, "before the deploy") {
		t.Fatalf("backups: %+v", list)
	}
	names := ""
	for _, st := range run.Stages {
		names += string(st.Name) + " "
	}
	if names != "fetch decrypt preflight backup deploy verify " {
		t.Errorf("stages: %s", names)
	}
	_, run = s.Push("nothing", and(s.files("two", ", before_deploy: true"), gittest.Files{"notes": gittest.Text("x")}))
	if producttest.MustEnd(t, run, state.RunUnchanged); len(s.backups()) != 1 {
		t.Error("a push that changes nothing made a backup")
	}

	// A disk that is full while the volume is read.
	if err := os.Rename(s.to(), s.to()+".before"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.to(), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", s.to(), "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("a small file system cannot be mounted: " + err.Error())
	}
	t.Cleanup(func() { _ = syscall.Unmount(s.to(), syscall.MNT_DETACH) })
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 3 * 2654435761 >> 7)
	}
	if err := os.WriteFile(s.mountpoint()+"/noise", noise, 0o600); err != nil {
		t.Fatal(err)
	}
	id := s.Containers()["web"]
	_, run = s.Push("third", s.files("three", ", before_deploy: true"))
	producttest.MustEnd(t, run, state.RunFailed)
	if !strings.Contains(run.Error, "no room") || !strings.Contains(run.Hint, "nothing half-written") || s.Containers()["web"] != id {
		t.Errorf("%s; %s", run.Error, run.Hint)
	}
	s.mustBeTidy()
	s.mustRunVersion("two")
	if entries, _ := os.ReadDir(s.to()); len(entries) != 0 {
		t.Errorf("left: %v", entries)
	}
}

func TestABadPlaceForBackupsFailsThePush(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	for name, tt := range map[string]struct{ to, says string }{
		"inside of the data folder": {s.Path("data/backups"), "data folder"},
		"below nothing":             {s.Path("none/backups"), "cannot be made"},
		"a file":                    {s.Path("deployer.yaml"), "cannot be written"},
		"of the system":             {"/etc/cron.d", "belongs to the system"},
	} {
		files := s.files("one", "")
		files["pipeline.yaml"] = gittest.Text("backup: {volumes: [data], to: " + tt.to + "}\n")
		_, run := s.Push(name, files)
		producttest.MustEnd(t, run, state.RunFailed)
		if text, _ := json.Marshal(run); !strings.Contains(string(text), tt.says) {
			t.Errorf("%s: %s", name, text)
		}
	}
	files := s.files("one", "")
	files["pipeline.yaml"] = gittest.Text("backup: {volumes: [other], to: " + s.to() + "}\n")
	_, run := s.Push("another volume", files)
	if text, _ := json.Marshal(run); run.Status != state.RunFailed || !strings.Contains(string(text), "no named volume other") {
		t.Errorf("%s: %s", run.Status, text)
	}
}

func TestAScheduledBackupComesByItself(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed(`, schedule: "* * * * * Europe/Paris", keep_days: 7`)
	deployed := s.History()
	s.Eventually(90*time.Second, "a backup that is due", func() bool { return len(s.backups()) > 0 })
	run := s.last()
	if run.Kind != state.KindBackup || run.Trigger.Kind != state.TriggerSchedule || len(s.History()) != len(deployed)+1 {
		t.Errorf("%s by %s", run.Kind, run.Trigger.Kind)
	}
	producttest.MustEnd(t, s.Wait(run.ID), state.RunSucceeded)
	if at := s.backups()[0].At; at.Second() > 5 {
		t.Errorf("it came at %s", at)
	}
	s.mustBeTidy()
}

func TestAHostileArchiveStopsNothing(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	b := s.backup()
	whole, err := os.ReadFile(b.Archive)
	if err != nil {
		t.Fatal(err)
	}
	id, before := s.Containers()["web"], s.holds()
	refused := func(what, says string) {
		t.Helper()
		out, code := s.CLI("restore", b.ID, "--yes")
		if code != 1 || !strings.Contains(out, says) {
			t.Errorf("%s: exit %d\n%s", what, code, out)
		}
		c, err := s.Engine.ContainerInspect(t.Context(), id)
		if err != nil || !c.State.Running || c.State.StartedAt > s.last().CreatedAt.Format(time.RFC3339Nano) || s.holds() != before || len(s.backups()) != 1 {
			t.Errorf("%s: something was touched: %v", what, err)
		}
	}
	swapped := slices.Clone(whole)
	swapped[len(whole)/2] ^= 0xff
	if err := os.WriteFile(b.Archive, swapped, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("damaged", "sha256")
	// One that agrees with a manifest of its own, but not with what is known.
	manifest := strings.TrimSuffix(b.Archive, ".tar.gz") + ".json"
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(manifest, []byte(strings.Replace(string(text), b.SHA256[:8], "00000000", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("another manifest", "not the one that was written with it")
	if err := os.Remove(b.Archive); err != nil {
		t.Fatal(err)
	}
	refused("gone", "not there any more")
	if list := s.backups(); !list[0].Missing {
		t.Error("the list does not say that the archive is missing")
	}
}

// What a kill in the middle of a backup has paused or stopped goes on at the
// next start, and the backup is made.
func TestKilledWhileServicesAreHeld(t *testing.T) {
	t.Parallel()
	for mode, held := range map[string]string{"paused": "paused", "stopped": "exited"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			s := newKeptStack(t)
			s.deployed(", mode: " + mode)
			s.Stop()
			s.standBeforeTheEngine()
			s.Start()
			before := s.holds()
			s.proxy.killAt(1<<20, false, func() {})
			s.backup()
			requests := s.proxy.changes()
			for n := 1; n <= len(requests); n++ {
				for _, after := range []bool{false, true} {
					known := len(s.backups())
					s.proxy.killAt(n, after, s.Shooter())
					var run state.Run
					_, _ = s.TryCall("admin", http.MethodPost, "/api/v1/stacks/"+s.Stack+"/backup", nil, &run)
					<-s.Exited()
					doing := s.proxy.disarm()
					if doing == "" {
						t.Fatalf("request %d of %v never came", n, requests)
					}
					seen := s.state()
					if strings.HasSuffix(doing, "/pause") && after && seen != held {
						t.Errorf("killed after %s the container is %s", doing, seen)
					}
					s.Start()
					run = *s.last()
					producttest.MustEnd(t, s.Wait(run.ID), state.RunSucceeded)
					if s.mustBeTidy(); len(s.backups()) != known+1 || s.holds() != before {
						t.Errorf("killed at %s: %d backups, had %d", doing, len(s.backups()), known)
					}
				}
			}
			t.Logf("killed before and after each of %v", requests)
		})
	}
}

// What reached a volume when the server died is removed at its next start.
func TestHelpersGoAtTheStart(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	s.Kill()
	helper, err := s.Engine.ContainerCreate(t.Context(), &container.Config{Image: s.image, Labels: map[string]string{"deployer.volume-helper": s.Stack}},
		&container.HostConfig{Binds: []string{s.volume() + ":/volume"}}, nil, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = s.Engine.ContainerRemove(context.Background(), helper.ID, container.RemoveOptions{Force: true})
	}()
	s.Start()
	s.Eventually(10*time.Second, "the helper is gone", func() bool {
		_, err := s.Engine.ContainerInspect(t.Context(), helper.ID)
		return err != nil
	})
	s.mustBeTidy()
}

// A kill in the middle of a restore is made up for by the next start.
func TestKilledWhileAVolumeIsReplaced(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	before := s.holds()
	s.Stop()
	s.standBeforeTheEngine()
	s.Start()
	b := s.backup()
	s.fill("newer")
	s.proxy.killAt(1<<20, false, func() {})
	if out, code := s.CLI("restore", b.ID, "--yes"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, out)
	}
	requests := s.proxy.changes()
	for n := 1; n <= len(requests); n++ {
		s.fill("newer")
		newer := s.holds()
		after := n%2 == 0
		s.proxy.killAt(n, after, s.Shooter())
		_, _ = s.TryCall("admin", http.MethodPost, "/api/v1/backups/"+b.ID+"/restore", nil, nil)
		select {
		case <-s.Exited():
		case <-time.After(time.Minute):
			t.Fatalf("request %d of %v never came", n, requests)
		}
		doing := s.proxy.disarm()
		s.Start()
		run := s.Wait(s.last().ID)
		producttest.MustEnd(t, run, state.RunSucceeded)
		if got := s.holds(); got != before {
			t.Errorf("killed at %s the volume holds\n%s\nnot\n%s", doing, got, before)
		}
		s.mustBeTidy()
		if run.Replaces == nil || run.Replaces.Safety == "" {
			t.Fatalf("killed at %s: no safety backup in %+v", doing, run.Replaces)
		}
		if n == len(requests)/2 { // what was there can be had again
			if out, code := s.CLI("restore", run.Replaces.Safety, "--yes"); code != 0 || s.holds() != newer {
				t.Errorf("restore of what was there: exit %d\n%s", code, out)
			}
		}
	}
	t.Logf("killed at each of %v", requests)
}

// A restore that fails while the volume is not whole brings back what was there.
func TestARestoreThatFailsIsUndone(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	b := s.backup()
	s.fill("newer")
	before := s.holds()
	s.Stop()
	s.standBeforeTheEngine()
	s.Start()
	const put = "PUT /containers/ID/archive"
	answer := s.proxy.hang(put)
	var run state.Run
	if status := s.Call("admin", http.MethodPost, "/api/v1/backups/"+b.ID+"/restore", nil, &run); status != http.StatusAccepted {
		t.Fatalf("restore: %d", status)
	}
	s.Eventually(time.Minute, "the volume is about to be filled", func() bool { return slices.Contains(s.proxy.changes(), put) })
	if got := s.holds(); strings.Contains(got, "file") {
		t.Errorf("the volume holds\n%s", got)
	}
	if out, code := s.CLI("cancel", run.ID); code != 0 {
		t.Fatalf("cancel: %s", out)
	}
	time.AfterFunc(time.Second, answer)
	ended := s.Wait(run.ID)
	producttest.MustEnd(t, ended, state.RunFailed)
	if !strings.Contains(ended.Error, "holds what it held before, and its services run") || !strings.Contains(ended.Error, "canceled") {
		t.Errorf("it says %s", ended.Error)
	}
	if got := s.holds(); got != before {
		t.Errorf("before\n%s\nafter\n%s", before, got)
	}
	s.mustBeTidy()
	if now := s.Now(); now.Health != "healthy" || now.Lock != nil {
		t.Errorf("the stack is %s, %+v", now.Health, now.Lock)
	}
}

func TestDeployerItselfIsBackedUpWhileItWorks(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, first := p.Push("one", and(oneService(image, "one"), gittest.Files{".env.production": p.Sealed("PASSWORD=a-password\n")}))
	producttest.MustEnd(t, first, state.RunSucceeded)
	_, second := p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, second, state.RunSucceeded)
	_, id := p.Begin("slow", and(oneService(image, "slow"), gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    environment: {VERSION: slow, HEALTH_AFTER: 8s}
    healthcheck: {test: [CMD, /testapp, health], interval: 500ms, retries: 60}
`, image))}))
	p.Until(id, "changes the stack", func(r *state.Run) bool { return r.Phase == state.PhaseChanging })
	config := []string{"-c", p.Path("deployer.yaml")}
	for _, file := range []string{"self.tgz", "self.age"} {
		args := append([]string{"backup", "--self", p.Path(file)}, config...)
		if file == "self.age" {
			args = append(args, "--recipient", p.Age)
		}
		if out, code := p.CLI(args...); code != 0 {
			t.Fatalf("backup --self: exit %d\n%s", code, out)
		}
		if info, err := os.Stat(p.Path(file)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", file, info, err)
		}
	}
	producttest.MustEnd(t, p.Wait(id), state.RunSucceeded)
	if out, code := p.CLI(append([]string{"restore", "--self", p.Path("self.tgz")}, config...)...); code != 1 || !strings.Contains(out, "not empty") {
		t.Errorf("over a data folder in use: exit %d\n%s", code, out)
	}
	p.Stop()
	for _, file := range []string{"self.tgz", "self.age"} {
		if err := os.RemoveAll(p.Path("data")); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"restore", "--self", p.Path(file)}, config...)
		if file == "self.age" {
			if out, code := p.CLI(args...); code != 1 || !strings.Contains(out, "--identity") {
				t.Errorf("without its key: exit %d\n%s", code, out)
			}
			args = append(args, "--identity", p.Path("age.key"))
		}
		if out, code := p.CLI(args...); code != 0 {
			t.Fatalf("restore --self: exit %d\n%s", code, out)
		}
		p.Start()
		// The run that was under way is taken up.
		producttest.MustEnd(t, p.Wait(id), state.RunSucceeded)
		for _, old := range []*state.Run{first, second} {
			var now state.Run
			p.Call("viewer", http.MethodGet, "/api/v1/runs/"+old.ID, nil, &now)
			if now.Status != old.Status || now.Commit != old.Commit || p.RunLog(old.ID) == "" {
				t.Errorf("run %s is %s of %s", old.ID, now.Status, now.Commit)
			}
		}
		p.Stop()
	}
	p.Start()
	if out, code := p.CLI("rollback", p.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	p.mustRunVersion("two")
}

// Where what was there cannot be brought back either, the stack says so and is
// locked, and another restore helps.
func TestARestoreThatCannotBeUndoneLocks(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	before := s.holds()
	b := s.backup()
	s.fill("newer")
	s.Stop()
	s.standBeforeTheEngine()
	s.Start()
	const put = "PUT /containers/ID/archive"
	answer := s.proxy.hang(put)
	var run state.Run
	s.Call("admin", http.MethodPost, "/api/v1/backups/"+b.ID+"/restore", nil, &run)
	s.Eventually(time.Minute, "the volume is about to be filled", func() bool { return slices.Contains(s.proxy.changes(), put) })
	safety := s.backups()[0]
	if err := os.Truncate(safety.Archive, safety.Size-1); err != nil {
		t.Fatal(err)
	}
	if out, code := s.CLI("cancel", run.ID); code != 0 {
		t.Fatalf("cancel: %s", out)
	}
	time.AfterFunc(time.Second, answer)
	ended := s.Wait(run.ID)
	producttest.MustEnd(t, ended, state.RunRollbackFailed)
	for _, says := range []string{s.volume() + " is not whole", "is stopped", "locked", safety.ID} {
		if !strings.Contains(ended.Error, says) {
			t.Errorf("%q is not said in %s", says, ended.Error)
		}
	}
	if now := s.Now(); now.Lock == nil || s.state() != "" {
		t.Errorf("lock %+v, the container is %q", now.Lock, s.state())
	}
	if out, code := s.CLI("restore", b.ID, "--yes"); code != 0 {
		t.Fatalf("restore: exit %d\n%s", code, out)
	}
	if after := s.holds(); after != before {
		t.Errorf("before\n%s\nafter\n%s", before, after)
	}
	s.mustBeTidy()
}

func TestAVolumeOfOthersIsNotReplaced(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	b := s.backup()
	other, err := s.Engine.ContainerCreate(t.Context(), &container.Config{Image: s.image, Labels: map[string]string{"com.docker.compose.project": s.Stack + "-other"}},
		&container.HostConfig{Binds: []string{s.volume() + ":/data"}}, nil, nil, s.Stack+"-other")
	if err != nil {
		t.Fatal(err)
	}
	remove := func() {
		_ = s.Engine.ContainerRemove(context.Background(), other.ID, container.RemoveOptions{Force: true})
	}
	defer remove()
	started := s.started()
	if out, code := s.CLI("restore", b.ID, "--yes"); code != 1 || !strings.Contains(out, s.Stack+"-other, which is not of this stack") || s.started() != started {
		t.Errorf("exit %d\n%s", code, out)
	}
	if s.backup().ID == b.ID {
		t.Error("there is no second backup")
	}
}

// keep_days deletes what is older, but nothing while new backups fail.
func TestKeepDaysNeverTakesTheLastGood(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed(", keep_days: 7")
	old := s.backup()
	manifest := strings.TrimSuffix(old.Archive, ".tar.gz") + ".json"
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	aged := strings.Replace(string(text), old.At.Format(time.DateOnly), old.At.AddDate(0, 0, -30).Format(time.DateOnly), 1)
	mine := filepath.Join(s.to(), s.volume()+"-20200101_000000.tar.gz") // of the same form, and somebody's own
	for name, content := range map[string]string{manifest: aged, mine: "mine"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// One that fails: the volume is read, and does not get its name.
	if err := syscall.Mount(s.to(), s.to(), "", syscall.MS_BIND, ""); err != nil {
		t.Skip("a folder cannot be made read-only: " + err.Error())
	}
	unmount := func() { _ = syscall.Unmount(s.to(), syscall.MNT_DETACH) }
	defer unmount()
	if err := syscall.Mount("", s.to(), "", syscall.MS_REMOUNT|syscall.MS_BIND|syscall.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	if out, code := s.CLI("backup", s.Stack); code != 1 || !strings.Contains(out, "cannot be written") {
		t.Errorf("into a read-only folder: exit %d\n%s", code, out)
	}
	unmount()
	if list := s.backups(); len(list) != 1 || list[0].Missing {
		t.Fatalf("a backup that failed cost the last good one: %+v", list)
	}
	next := s.backup()
	if list := s.backups(); len(list) != 1 || list[0].ID != next.ID {
		t.Errorf("the old one is still there: %+v", list)
	}
	entries, err := os.ReadDir(s.to())
	if err != nil || len(entries) != 3 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	if _, err := os.Stat(mine); err != nil {
		t.Errorf("somebody's own file is gone: %v", err)
	}
}

// A server that has lost its own data finds the archives again.
func TestArchivesOutliveTheServersData(t *testing.T) {
	t.Parallel()
	s := newKeptStack(t)
	s.deployed("")
	if err := os.Remove(s.mountpoint() + "/sub/out"); err != nil {
		t.Fatal(err)
	}
	before := s.holds()
	b := s.backup()
	s.Stop()
	if err := os.RemoveAll(s.Path("data")); err != nil {
		t.Fatal(err)
	}
	s.Start()
	if out, code := s.CLI("deploy", s.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	s.fill("newer")
	s.backup()
	list := s.backups()
	if len(list) != 2 || list[1].ID != b.ID || !list[1].Found || list[0].Found {
		t.Fatalf("backups: %+v", list)
	}
	if out, code := s.CLI("restore", b.ID, "--yes"); code != 0 || s.holds() != before {
		t.Errorf("restore: exit %d\n%s", code, out)
	}
}
