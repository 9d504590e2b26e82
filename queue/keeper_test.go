package queue

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/pipeline"
	"deployer/project"
	"deployer/state"
)

// A volumeTarget has volumes that fail when a test says so, which the real
// Engine cannot be made to do at a moment of choice.
type volumeTarget struct {
	*fakeTarget
	fails map[string]error // by what is done: "read shop_b", "pause", "let go"
	held  []string         // what is paused or stopped
	did   []string
}

func (v *volumeTarget) do(what string) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.did = append(v.did, what)
	return v.fails[what]
}

func (v *volumeTarget) fail(what string, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.fails[what] = err
}

func (v *volumeTarget) holding() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.held)
}

func (v *volumeTarget) VolumeExists(context.Context, string) (bool, error) { return true, nil }

func (v *volumeTarget) ReadVolume(_ context.Context, _, name string, fn func(io.Reader) error) error {
	if err := v.do("read " + name); err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err := errors.Join(w.WriteHeader(&tar.Header{Name: "volume/", Typeflag: tar.TypeDir, Mode: 0o755}), w.Close())
	return errors.Join(err, fn(&out))
}

func (v *volumeTarget) WriteVolume(context.Context, string, string, io.Reader) error { return nil }
func (v *volumeTarget) RenewVolume(context.Context, *project.Project, string) error  { return nil }
func (v *volumeTarget) RemoveVolume(context.Context, string) error                   { return nil }
func (v *volumeTarget) KeepsContent(context.Context, string) (string, error)         { return "", nil }
func (v *volumeTarget) RemoveHelpers(context.Context, string) error                  { return nil }

func (v *volumeTarget) Users(ctx context.Context, _ []string) (users []project.VolumeUser, err error) {
	containers, err := v.Containers(ctx, "shop")
	for _, c := range containers {
		users = append(users, project.VolumeUser{Container: c, Project: "shop"})
	}
	return users, err
}

func (v *volumeTarget) Pause(_ context.Context, ids []string) error {
	v.mu.Lock()
	v.held = ids
	v.mu.Unlock()
	return v.do("pause")
}

func (v *volumeTarget) StopContainers(ctx context.Context, ids []string) error {
	return v.Pause(ctx, ids)
}

func (v *volumeTarget) LetGo(context.Context, string, []string, bool) error {
	if err := v.do("let go"); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held = nil
	return nil
}

var _ pipeline.Volumes = (*volumeTarget)(nil)

// newKeeperBench is a bench with a stack of two volumes deployed.
func newKeeperBench(t *testing.T) (b *bench, v *volumeTarget, to string) {
	t.Helper()
	b = newBench(t)
	v = &volumeTarget{fakeTarget: b.target, fails: map[string]error{}}
	b.stacks[0].Target = v
	b.renew()
	b.serve()
	to = filepath.Join(t.TempDir(), "to")
	files := b.app("shop", "web:1", fmt.Sprintf("backup: {volumes: [a, b], to: %s}\n", to))
	files["shop/compose.yaml"] = gittest.Text("services:\n  web:\n    image: web:1\n    volumes: [\"a:/a\", \"b:/b\"]\nvolumes: {a: {}, b: {}}\n")
	b.deployed("first", files)
	return b, v, to
}

func (b *bench) backup(want state.RunStatus) *state.Run {
	b.t.Helper()
	run, err := b.queue.Backup(b.t.Context(), "shop", by("ops", ""))
	b.must(err)
	return b.ends(run, want)
}

func TestABackupIsOfAllVolumesOrNone(t *testing.T) {
	b, v, to := newKeeperBench(t)
	v.fail("read shop_b", errors.New("input/output error"))
	run := b.backup(state.RunFailed)
	b.says(run.Error, "input/output error")
	entries, err := os.ReadDir(to)
	if err != nil || len(entries) > 0 || v.holding() > 0 {
		t.Errorf("left: %v %v, %d held", entries, err, v.holding())
	}
	v.fail("read shop_b", nil)
	b.backup(state.RunSucceeded)
	list, err := b.queue.Backups(t.Context(), "shop")
	if err != nil || len(list) != 2 || list[0].Missing {
		t.Errorf("%+v %v", list, err)
	}
	if did := strings.Join(v.did, ", "); !strings.HasSuffix(did, "pause, read shop_a, read shop_b, let go") {
		t.Errorf("it did %s", did)
	}
}

func TestWhatCouldNotBeLetGoGoesOnLater(t *testing.T) {
	b, v, _ := newKeeperBench(t)
	v.fail("let go", errors.New("the Engine is busy"))
	run := b.backup(state.RunFailed)
	b.says(run.Error+run.Hint, "the Engine is busy", "tries again")
	if v.holding() == 0 {
		t.Fatal("nothing is held")
	}
	v.fail("let go", nil)
	for late := time.Now().Add(patience); v.holding() > 0; time.Sleep(time.Millisecond) { // the run has yet to leave
		b.must(b.queue.letGoOnce())
		if time.Now().After(late) {
			t.Fatal("it is held still")
		}
	}
	before := len(v.did)
	b.must(b.queue.letGoOnce())
	if len(v.did) != before {
		t.Error("it was let go twice")
	}
}

func TestAPauseThatFailsLetsGo(t *testing.T) {
	b, v, _ := newKeeperBench(t)
	v.fail("pause", errors.New("no cgroup"))
	b.says(b.backup(state.RunFailed).Error, "no cgroup")
	if v.holding() > 0 {
		t.Error("what was paused is held still")
	}
}

func TestBackupsAreRefusedInWords(t *testing.T) {
	b := newBench(t).serve()
	refusal := func(err error, says string) {
		t.Helper()
		var r *state.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Reason, says) || r.Hint == "" {
			t.Errorf("%v", err)
		}
	}
	_, err := b.queue.Backup(t.Context(), "shop", by("ops", ""))
	refusal(err, "never deployed")
	b.deployed("first", b.app("shop", "web:1", ""))
	_, err = b.queue.Backup(t.Context(), "shop", by("ops", ""))
	refusal(err, "no backup:")
	_, err = b.queue.Restore(t.Context(), "none", by("ops", ""))
	if !errors.Is(err, state.ErrNotFound) {
		t.Errorf("%v", err)
	}
	b.must(b.store.Update(func(tx *state.Tx) error {
		return tx.PutBackup(&state.Backup{ID: "gone", Stack: "shop", Volume: "shop_a", Archive: "/none.tar.gz", At: time.Now()})
	}))
	_, err = b.queue.Restore(t.Context(), "gone", by("ops", ""))
	refusal(err, "not there any more")
	// A target without volumes says so before anything is changed.
	run := b.ends(b.push("wants backups", b.app("shop", "web:2", "backup: {volumes: [a], to: /backups/x}\n")), state.RunFailed)
	b.says(b.log(run), "cannot be backed up by this version")
}
