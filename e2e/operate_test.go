package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// What docs/operate.md says about the data folder.

func TestDataFolderIsRestoredFromABackup(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	env := gittest.Files{".env.production": p.Sealed("PASSWORD=a-password\n")}
	_, run := p.Push("one", and(oneService(image, "one"), env))
	producttest.MustEnd(t, run, state.RunSucceeded)
	_, run = p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	p.Stop()
	p.copyFolder("data", "backup")
	p.Start()
	_, run = p.Push("three", oneService(image, "three"))
	producttest.MustEnd(t, run, state.RunSucceeded)

	p.Stop()
	if err := os.RemoveAll(p.Path("data")); err != nil {
		t.Fatal(err)
	}
	p.copyFolder("backup", "data")
	p.Start()
	p.Eventually(time.Minute, "it is seen that another release runs than the backup knows", func() bool { return p.Now().Health == "drifted" })
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	p.mustRunVersion("three")
	if out, code := p.CLI("rollback", p.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	p.mustRunVersion("two")
}

func (p *product) copyFolder(from, to string) {
	p.t.Helper()
	if out, err := exec.Command("cp", "-a", p.Path(from), p.Path(to)).CombinedOutput(); err != nil {
		p.t.Fatalf("copy %s: %v\n%s", from, err, out)
	}
}

func TestAServerThatLostItsKeyBeginsAnew(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	image := p.Image()
	_, run := p.Push("one", and(oneService(image, "one"), gittest.Files{".env.production": p.Sealed("PASSWORD=a-password\n")}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.Containers()

	p.Stop()
	for name, to := range map[string]string{"data/server.key": "server.key.old", "data/deployer.db": "deployer.db.old"} {
		if err := os.Rename(p.Path(name), p.Path(to)); err != nil {
			t.Fatal(err)
		}
	}
	p.Start()
	if out, code := p.CLI("deploy", p.Stack); code != 0 {
		t.Fatalf("deploy: exit %d\n%s", code, out)
	}
	if after := p.Containers(); after["web"] != before["web"] {
		t.Error("the container was recreated, though nothing of it changed")
	}
	_, run = p.Push("two", oneService(image, "two"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if out, code := p.CLI("rollback", p.Stack); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	p.mustRunVersion("one")
}

func TestRebootPutsFilesWithSecretsBack(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	files := gittest.Files{"compose.yaml": gittest.Text(fmt.Sprintf(`services:
  web:
    image: %s
    secrets: [api]
    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}
secrets: {api: {environment: PASSWORD}}
`, p.Image()))}
	_, run := p.Push("one", and(files, gittest.Files{".env.production": p.Sealed("PASSWORD=a-password\n")}))
	producttest.MustEnd(t, run, state.RunSucceeded)
	before := p.inMemory()
	if len(before) == 0 {
		t.Fatal("no file is in memory")
	}

	p.Stop()
	for name := range before {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	p.Start()
	p.Eventually(time.Minute, "the files are in memory again", func() bool { return maps.Equal(p.inMemory(), before) })
}

// inMemory reads the files that live on tmpfs, by path.
func (p *product) inMemory() map[string]string {
	p.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(p.Memory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) { // it is being put there
			return nil
		}
		found[path] = string(content)
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return found
}
