package e2e

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/internal/producttest"
	"deployer/state"
)

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
