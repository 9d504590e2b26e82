package e2e

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

const ordinary = 65532

// inContainer runs the product's server in a container as an ordinary user,
// with binds of the Engine added, and returns its id.
func (p *product) inContainer(image string, config *container.Config, binds ...string) string {
	p.t.Helper()
	return p.inNamedContainer(enginetest.Name(p.t), image, config, binds...)
}

func (p *product) inNamedContainer(name, image string, config *container.Config, binds ...string) string {
	p.t.Helper()
	socket := strings.TrimPrefix(p.Engine.DaemonHost(), "unix://")
	info, err := os.Stat(socket)
	if err != nil {
		p.t.Skipf("the Engine's socket is not on this machine: %v", err)
	}
	config.Image, config.User = image, fmt.Sprintf("%d:%d", ordinary, ordinary)
	if config.Cmd == nil {
		config.Cmd = []string{"serve", "--config", p.Path("deployer.yaml")}
	}
	made, err := p.Engine.ContainerCreate(p.t.Context(), config, &container.HostConfig{
		NetworkMode: "host", ReadonlyRootfs: true, Tmpfs: map[string]string{"/tmp": ""},
		GroupAdd: []string{fmt.Sprint(info.Sys().(*syscall.Stat_t).Gid)},
		Binds:    append(binds, socket+":"+socket),
	}, nil, nil, name)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = p.Engine.ContainerRemove(context.Background(), made.ID, container.RemoveOptions{Force: true, RemoveVolumes: true})
	})
	if err := p.Engine.ContainerStart(p.t.Context(), made.ID, container.StartOptions{}); err != nil {
		p.t.Fatal(err)
	}
	return made.ID
}

// mustBeReady waits until the server in a container is ready.
func (p *product) mustBeReady(id string) {
	p.t.Helper()
	p.Eventually(30*time.Second, "the server in the container is ready", func() bool {
		res, err := http.Get(p.URL + "/readyz")
		if err != nil {
			if info, err := p.Engine.ContainerInspect(p.t.Context(), id); err == nil && !info.State.Running {
				p.t.Fatalf("it ended:\n%s", p.containerLog(id))
			}
			return false
		}
		_ = res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
}

// ended waits for the end of a container and returns its exit code and what
// it has written.
func (p *product) ended(id string) (code int64, text string) {
	p.t.Helper()
	ctx, done := context.WithTimeout(p.t.Context(), time.Minute)
	defer done()
	over, failed := p.Engine.ContainerWait(ctx, id, container.WaitConditionNotRunning)
	select {
	case end := <-over:
		return end.StatusCode, p.containerLog(id)
	case err := <-failed:
		p.t.Fatalf("%v\n%s", err, p.containerLog(id))
	}
	return 0, ""
}

func (p *product) containerLog(id string) string {
	out, err := p.Engine.ContainerLogs(context.Background(), id, container.LogsOptions{ShowStdout: true, ShowStderr: true})
	if err != nil {
		return err.Error()
	}
	defer out.Close()
	raw, _ := io.ReadAll(out)
	return string(raw)
}

// give hands folders with all that is in them to the ordinary user.
func (p *product) give(folders ...string) {
	p.t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, ordinary, ordinary)
		})
		if err != nil {
			p.t.Skipf("files can only be given away by root: %v", err)
		}
	}
}

// The image of docs/container.md: the static binary alone, run by an ordinary
// user, deploys a push whose containers mount files and secrets from it.
func TestDeployerInAContainer(t *testing.T) {
	t.Parallel()
	p := newProduct(t)
	app := p.Image()
	p.Stop()
	image := enginetest.ProgramImage(t, p.Engine, p.Program)
	if err := os.MkdirAll(p.Path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.give(p.Dir, p.Memory)
	same := []string{p.Dir + ":" + p.Dir, p.Memory + ":" + p.Memory}
	memory := []string{"RUNTIME_DIRECTORY=" + p.Memory}

	// The data folder is elsewhere on the host.
	elsewhere := t.TempDir()
	p.give(elsewhere)
	code, text := p.ended(p.inContainer(image, &container.Config{Env: memory}, append(same, elsewhere+":"+p.Path("data"))...))
	if code != 2 || !strings.Contains(text, elsewhere+" on the host") || !strings.Contains(text, "-v "+p.Path("data")+":"+p.Path("data")) {
		t.Errorf("another path: exit %d\n%s", code, text)
	}
	// The folder for secrets is in the container alone.
	code, text = p.ended(p.inContainer(image, &container.Config{}, same[0]))
	if code != 2 || !strings.Contains(text, "RUNTIME_DIRECTORY=/run/deployer") {
		t.Errorf("no folder for secrets: exit %d\n%s", code, text)
	}
	// It would deploy over itself.
	own := &container.Config{Env: memory, Labels: map[string]string{"com.docker.compose.project": p.Stack, "com.docker.compose.service": "deployer"}}
	twin := p.inContainer(image, own, same...)
	code, text = p.ended(twin)
	if code != 2 || !strings.Contains(text, "it would stop itself") || !strings.Contains(text, "a compose project of its own") {
		t.Errorf("its own project: exit %d\n%s", code, text)
	}
	if err := p.Engine.ContainerRemove(t.Context(), twin, container.RemoveOptions{}); err != nil { // it would count as one of the stack's
		t.Fatal(err)
	}

	id := p.inContainer(image, &container.Config{Env: memory}, same...)
	p.mustBeReady(id)
	s := dataStack{p, app, freePort(t)}
	commit := s.commit("one", `"./site:/site:ro"`, "", "")
	commit["site/page"] = gittest.Text("from the commit")
	_, run := s.Push("one", commit)
	producttest.MustEnd(t, run, state.RunSucceeded)
	if got := s.sees("/site/page"); got != "200 from the commit" {
		t.Errorf("the container sees %q", got)
	}
	p.Eventually(time.Minute, "it has looked at itself", func() bool {
		return strings.Contains(p.containerLog(id), "deployer runs in a container")
	})
}

// Keys that deployer has from a folder of another name on the host, or from a
// volume, are deployer's own there too.
func TestKeysOfDeployerInAContainerAreNotMountable(t *testing.T) {
	t.Parallel()
	engine, volume := enginetest.Client(t), enginetest.Name(t)
	t.Cleanup(func() { _ = engine.VolumeRemove(context.Background(), volume, true) }) // after the stack's containers
	p := newProduct(t)
	app := p.Image()
	p.Stop()
	image := enginetest.ProgramImage(t, p.Engine, p.Program)
	if err := os.MkdirAll(p.Path("data"), 0o700); err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	if err := os.Rename(p.Path("age.key"), filepath.Join(keys, "age.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Path("age.key"), nil, 0o600); err != nil { // for the mount
		t.Fatal(err)
	}
	p.give(p.Dir, p.Memory, keys)
	id := p.inContainer(image, &container.Config{Env: []string{"RUNTIME_DIRECTORY=" + p.Memory}},
		p.Dir+":"+p.Dir, p.Memory+":"+p.Memory, filepath.Join(keys, "age.key")+":"+p.Path("age.key")+":ro", volume+":/etc/deployer")
	p.mustBeReady(id)
	for mount, subject := range map[string]string{keys + ":/k:ro": "service web", "vol:/k:ro": "volume vol"} {
		compose := fmt.Sprintf("services:\n  web: {image: %q, volumes: [%q]}\nvolumes: {vol: {external: true, name: %s}}\n", app, mount, volume)
		if subject == "service web" {
			compose = strings.Split(compose, "volumes: {vol:")[0]
		}
		_, run := p.Push("mounts "+mount, gittest.Files{"compose.yaml": gittest.Text(compose)})
		producttest.MustEnd(t, run, state.RunFailed)
		if !strings.Contains(run.Error, "deployer_files: "+subject) {
			t.Errorf("%s: %s", mount, run.Error)
		}
	}
}
