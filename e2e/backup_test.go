package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

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
