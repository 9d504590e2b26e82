package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

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
