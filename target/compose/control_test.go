package compose

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"

	"deployer/project"
)

func TestVolumeWithAnotherDefinitionIsReported(t *testing.T) {
	r := newRig(t)
	text := `
services: {web: {image: IMAGE, volumes: ["data:/data"]}}
volumes: {data: {driver_opts: {type: tmpfs, device: tmpfs, o: SIZE}}}
`
	r.mustApply(r.resolve(strings.Replace(text, "SIZE", "size=1m", 1)))
	problems := func(p *project.Project) []string {
		t.Helper()
		found, err := r.VolumeProblems(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := problems(r.resolve(strings.Replace(text, "SIZE", "size=1m", 1))); len(found) > 0 {
		t.Errorf("an unchanged volume is reported: %v", found)
	}
	found := problems(r.resolve(strings.Replace(text, "SIZE", "size=2m", 1)))
	if len(found) != 1 || !strings.Contains(found[0], "driver_opts.o") {
		t.Errorf("got %v", found)
	}
	found = problems(r.resolve("services: {web: {image: IMAGE, volumes: ['data:/data']}}\nvolumes: {data: {external: true, name: deployer-test-none}}"))
	if len(found) != 1 || !strings.Contains(found[0], "docker volume create deployer-test-none") {
		t.Errorf("external: got %v", found)
	}
}

func TestExternalNetworkThatIsMissingIsReported(t *testing.T) {
	r := newRig(t)
	const text = "services: {web: {image: IMAGE, networks: [proxy]}}\nnetworks: {proxy: {external: true, name: NAME}, unused: {external: true, name: deployer-test-none}}"
	problems := func(name string) []string {
		t.Helper()
		found, err := r.NetworkProblems(t.Context(), r.resolve(strings.ReplaceAll(text, "NAME", name)))
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := problems("bridge"); len(found) > 0 {
		t.Errorf("a network that is there is reported: %v", found)
	}
	if found := problems("deployer-test-none"); len(found) != 1 || !strings.Contains(found[0], "docker network create deployer-test-none") {
		t.Errorf("got %v", found)
	}
}

func TestDataOutlivesRecreationAndDown(t *testing.T) {
	r := newRig(t)
	text := `
services: {web: {image: IMAGE, environment: {VERSION: "1", WRITE_FILE: /data/first}, healthcheck: PROBE, volumes: ["data:/data"]}}
volumes: {data: {labels: {note: "1"}}}
`
	r.mustApply(r.resolve(text))
	// Another label makes Compose ask whether to remove the volume.
	r.mustApply(r.resolve(strings.NewReplacer("/data/first", "/data/second", `note: "1"`, `note: "2"`).Replace(text)))
	content, _, err := r.engine.CopyFromContainer(t.Context(), r.containers()["web-1"].ID, "/data/first")
	if err != nil {
		t.Fatalf("the data is gone: %v", err)
	}
	_ = content.Close()
	if err := r.Down(t.Context(), r.name); err != nil {
		t.Fatal(err)
	}
	if have := r.containers(); len(have) != 0 {
		t.Errorf("containers are left: %v", have)
	}
	networks, err := r.engine.NetworkList(t.Context(), network.ListOptions{Filters: ofProject(r.name)})
	if err != nil || len(networks) > 0 {
		t.Errorf("networks are left: %v %v", networks, err)
	}
	if _, err := r.engine.VolumeInspect(t.Context(), r.name+"_data"); err != nil {
		t.Errorf("the volume is gone: %v", err)
	}
	if err := r.Down(t.Context(), r.name); err != nil {
		t.Errorf("a second Down: %v", err)
	}
}

func TestExec(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services: {web: {image: IMAGE, healthcheck: PROBE}}"))
	result, err := r.Exec(t.Context(), r.name, "web", []string{"/testapp", "print", "hello"})
	if err != nil || result.ExitCode != 0 || result.Output != "[hello]\n" {
		t.Errorf("print: %+v %v", result, err)
	}
	if result, err = r.Exec(t.Context(), r.name, "web", []string{"/testapp", "false"}); err != nil || result.ExitCode != 1 {
		t.Errorf("false: %+v %v", result, err)
	}
	long := []string{"/testapp", "print", strings.Repeat("x", maxOutput+100)}
	if result, err = r.Exec(t.Context(), r.name, "web", long); err != nil || len(result.Output) != maxOutput {
		t.Errorf("long output: %d bytes, %v", len(result.Output), err)
	}
	if _, err = r.Exec(t.Context(), r.name, "none", []string{"true"}); err == nil {
		t.Error("a service without a container ran a command")
	}
	if _, err = r.Exec(t.Context(), r.name, "web", nil); err == nil {
		t.Error("no command ran")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err = r.Exec(ctx, r.name, "web", []string{"/testapp", "sleep"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a command that hangs: %v", err)
	}
}

func TestLogs(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services: {web: {image: IMAGE, environment: {VERSION: '7'}}, tty: {image: IMAGE, tty: true, environment: {VERSION: '8'}}}"))
	for name, want := range map[string]string{"web-1": "testapp: version 7 starts\n", "tty-1": "testapp: version 8 starts\r\n"} {
		got, err := r.Logs(t.Context(), r.containers()[name].ID, 5, time.Time{})
		if err != nil || got != want {
			t.Errorf("%s: %q %v", name, got, err)
		}
	}
	got, err := r.Logs(t.Context(), r.containers()["web-1"].ID, 5, time.Now().Add(time.Hour))
	if err != nil || got != "" {
		t.Errorf("since a time to come: %q %v", got, err)
	}
}

func TestRestart(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(two))
	id := r.containers()["web-1"].ID
	started := func() string {
		c, err := r.engine.ContainerInspect(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return c.State.StartedAt
	}
	before := started()
	if err := r.Restart(t.Context(), r.name, "web"); err != nil {
		t.Fatal(err)
	}
	if started() == before {
		t.Error("web was not restarted")
	}
	if err := r.Restart(t.Context(), r.name, "none"); err == nil {
		t.Error("a service that does not exist was restarted")
	}
}
