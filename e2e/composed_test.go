package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A composed is deployer in a container that the real Docker Compose runs, by
// the compose file of docs/container.md.
type composed struct {
	*vessel
	compose string // the program
	file    string // the compose file
	group   int    // of the Engine's socket
	exits   <-chan events.Message
}

func newComposed(t *testing.T) *composed {
	t.Helper()
	c := &composed{vessel: &vessel{product: newProduct(t), name: enginetest.Name(t), versions: []string{"v1-of-test", "v2-of-test"}}}
	c.Stop()
	c.compose = enginetest.Tool(t, "compose")
	for _, version := range c.versions {
		// As the Dockerfile has it.
		c.images = append(c.images, enginetest.ProgramImage(t, c.Engine, producttest.Versioned(t, version),
			"USER 65532:65532", fmt.Sprintf(`CMD ["serve", "--config", %q]`, c.Path("deployer.yaml"))))
	}
	if err := os.MkdirAll(c.Path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.give(c.Dir, c.Memory)
	c.starts.watch(c.product)
	c.write()
	enginetest.Cleanup(t, c.Engine, c.name)
	ctx, done := context.WithCancel(context.Background())
	t.Cleanup(done)
	c.exits, _ = c.Engine.Events(ctx, events.ListOptions{Filters: filters.NewArgs(
		filters.Arg("type", "container"), filters.Arg("event", "die"), filters.Arg("label", "com.docker.compose.project="+c.name))})
	return c
}

// write takes the compose file out of the document, with the folders of the
// test in the place of the host's. The test's Git server listens on the host's
// own address, so that deployer has the host's network.
func (c *composed) write() {
	c.t.Helper()
	text, err := os.ReadFile("../docs/container.md")
	if err != nil {
		c.t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```yaml\nname: deployer\n")
	file, _, ended := strings.Cut(rest, "```\n")
	socket := strings.TrimPrefix(c.Engine.DaemonHost(), "unix://")
	info, err := os.Stat(socket)
	if err != nil {
		c.t.Skipf("the Engine's socket is not on this machine: %v", err)
	}
	c.group = int(info.Sys().(*syscall.Stat_t).Gid)
	file = "name: " + c.name + "\n" + file
	for _, swap := range [][2]string{
		{"image: deployer\n", "image: " + c.images[0] + "\n"},
		{"container_name: deployer\n", "container_name: " + c.name + "\n"},
		{`ports: ["127.0.0.1:8484:8484"]`, "network_mode: host"},
		{"/var/run/docker.sock", socket}, {"/var/lib/deployer", c.Path("data")}, {"/run/deployer", c.Memory}, {"/etc/deployer", c.Dir},
	} {
		if !found || !ended || !strings.Contains(file, swap[0]) {
			c.t.Fatalf("the compose file of docs/container.md has no %q", swap[0])
		}
		file = strings.ReplaceAll(file, swap[0], swap[1])
	}
	c.file = filepath.Join(c.t.TempDir(), "compose.yaml")
	c.save(file)
	if err := os.WriteFile(filepath.Join(filepath.Dir(c.file), ".env"), fmt.Appendf(nil, "DOCKER_GROUP=%d\n", c.group), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *composed) save(file string) {
	c.t.Helper()
	if err := os.WriteFile(c.file, []byte(file), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// run is `docker compose`, with what follows it.
func (c *composed) run(args ...string) {
	c.t.Helper()
	cmd := exec.CommandContext(c.t.Context(), c.compose, args...)
	cmd.Dir = filepath.Dir(c.file)
	cmd.Env = []string{"HOME=" + cmd.Dir, "PATH=" + os.Getenv("PATH"), "DOCKER_HOST=" + c.Engine.DaemonHost()}
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("docker compose %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// up is `docker compose up -d`, until the version whose turn it is is ready.
func (c *composed) up() {
	c.t.Helper()
	c.run("up", "-d")
	c.mustBeReady(c.name)
	c.Eventually(time.Minute, "the log says "+c.versions[0], func() bool {
		return strings.Contains(c.containerLog(c.name), "version="+c.versions[0])
	})
}

// other writes the tag of the other version under image.
func (c *composed) other() {
	c.t.Helper()
	file, err := os.ReadFile(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	c.save(strings.ReplaceAll(string(file), c.images[0], c.images[1]))
	c.images[0], c.images[1] = c.images[1], c.images[0]
	c.versions[0], c.versions[1] = c.versions[1], c.versions[0]
}

// mustHaveEnded wants that the container before ended by itself in its time.
func (c *composed) mustHaveEnded() {
	c.t.Helper()
	select {
	case m := <-c.exits:
		if code := m.Actor.Attributes["exitCode"]; code != "0" {
			c.t.Errorf("the one before ended with %s", code)
		}
	case <-time.After(time.Minute):
		c.t.Error("the one before did not end")
	}
}

// deployer started and upgraded as docs/container.md says, by Docker Compose,
// while it works.
func TestDeployerIsUpgradedByDockerCompose(t *testing.T) {
	t.Parallel()
	c := newComposed(t)
	image, gate := c.Image(), newGate(t)
	c.up()
	first, run := c.Push("first", slowService(image, "first", ""))
	c.mustHaveOneOutcome(first, run.ID, state.RunSucceeded, "other", "web")
	own := c.ContainersOf(c.name)["deployer"]
	c.run("up", "-d")
	if now := c.ContainersOf(c.name)["deployer"]; now != own {
		t.Error("it was replaced though nothing is new")
	}

	commit, id := c.Begin("in verify", and(slowService(image, "verify", ""), gittest.Files{"pipeline.yaml": gate.check("2m")}))
	c.Until(id, "verifies", verifying)
	before := c.Containers()["web"]
	c.other()
	c.up()
	c.mustHaveEnded()
	if now := c.Containers()["web"]; now != before {
		t.Error("what was up already was replaced")
	}
	gate.open()
	c.mustHaveOneOutcome(commit, id, state.RunSucceeded, "web")

	commit, id = c.Begin("in deploy", and(slowService(image, "deploy", ""), gittest.Files{"pipeline.yaml": gittest.Text("{}\n")}))
	c.untilStarted("web")
	c.other() // back, with a copy of the database
	c.run("stop")
	c.mustHaveEnded()
	copyFile(t, c.Path("data/deployer.db"), c.Path("data/deployer.db.before"))
	c.up()
	c.mustHaveOneOutcome(commit, id, state.RunSucceeded, "web")
	c.mustBeWhole("deploy")
}
