package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"

	"deployer/internal/enginetest"
	"deployer/project"
	"deployer/state"
)

const two = `
services:
  web: {image: IMAGE, environment: {VERSION: "1"}, healthcheck: PROBE}
  api: {image: IMAGE, environment: {VERSION: "1"}, healthcheck: PROBE}
`

func TestFreshApplyBringsEveryServiceUp(t *testing.T) {
	r := newRig(t)
	p := r.resolve(two)
	for name, change := range r.plan(p) {
		if change.Action != state.ActionCreate || change.Why != "new service" {
			t.Errorf("plan of %s: %+v", name, change)
		}
	}
	log := r.mustApply(p)
	for _, name := range []string{"web-1", "api-1"} {
		if c := r.containers()[name]; c.State != "running" || c.Health != "healthy" {
			t.Errorf("%s is %s and %q", name, c.State, c.Health)
		}
		if !strings.Contains(log, name+" started") {
			t.Errorf("the log does not tell of %s:\n%s", name, log)
		}
	}
}

func TestUnchangedApplyTouchesNothing(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(two))
	before := r.containers()
	p := r.resolve(two)
	for name, change := range r.plan(p) {
		if change.Action != state.ActionKeep {
			t.Errorf("plan of %s: %+v", name, change)
		}
	}
	err := r.Apply(t.Context(), p, project.ApplyOptions{Changing: func(context.Context, string) error {
		t.Error("Changing is called although nothing changes")
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range r.containers() {
		if c.ID != before[name].ID {
			t.Errorf("%s was recreated", name)
		}
	}
}

func TestOnlyTheChangedServiceIsRecreatedAndGoesBack(t *testing.T) {
	r := newRig(t)
	first := r.resolve(two)
	r.mustApply(first)
	before := r.containers()
	second := r.resolve(strings.Replace(two, `VERSION: "1"`, `VERSION: "2"`, 1))
	changes := r.plan(second)
	if changes["web"].Action != state.ActionRecreate || changes["web"].Why != "configuration" || changes["api"].Action != state.ActionKeep {
		t.Errorf("plan: %+v", changes)
	}
	announced := ""
	err := r.Apply(t.Context(), second, project.ApplyOptions{Changing: func(_ context.Context, what string) error {
		announced += what
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if announced != "recreate web (configuration)" {
		t.Errorf("announced %q", announced)
	}
	after := r.containers()
	if after["web-1"].ID == before["web-1"].ID {
		t.Error("the changed service kept its container")
	}
	if after["api-1"].ID != before["api-1"].ID {
		t.Error("the unchanged service lost its container")
	}
	r.mustApply(first)
	back := r.containers()
	if back["web-1"].Hash != before["web-1"].Hash || back["api-1"].ID != before["api-1"].ID {
		t.Error("the way back did not lead to the first release, or touched what had not changed")
	}
}

// More or fewer of the same keep what is there, and what is tied to it.
func TestAnotherCountKeepsTheContainersThatAreThere(t *testing.T) {
	r := newRig(t)
	text := func(n int) *project.Project {
		return r.resolve(fmt.Sprintf("services:\n  web: {image: IMAGE, scale: %d, stop_grace_period: 1s}\n  side: {image: IMAGE, command: [sleep], network_mode: \"service:web\", stop_grace_period: 1s}\n", n))
	}
	r.mustApply(text(1))
	before := r.containers()
	changes := r.plan(text(3))
	if c := changes["web"]; c.Action != state.ActionKeep || c.Why != "replicas 1 → 3" || changes["side"].Changes() {
		t.Errorf("plan: %+v", changes)
	}
	if (&state.Changes{Services: []state.ServiceChange{changes["web"]}}).Empty() {
		t.Error("that is nothing to deploy")
	}
	r.mustApply(text(3))
	r.same(before, "web-1", "side-1")
	if now := r.containers(); len(now) != 4 {
		t.Errorf("%v", now)
	}
	if c := r.plan(text(3)); c["web"].Changes() {
		t.Errorf("plan after the apply: %+v", c)
	}
	before = r.containers()
	if c := r.plan(text(2)); c["web"].Action != state.ActionKeep || c["web"].Why != "replicas 3 → 2" {
		t.Errorf("plan: %+v", c)
	}
	// Also where containers of services that are gone are kept.
	if err := r.Apply(t.Context(), text(2), project.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	r.same(before, "web-1", "web-2", "side-1")
	if now := r.containers(); len(now) != 3 {
		t.Errorf("%v", now)
	}
}

func TestAnotherImageRecreates(t *testing.T) {
	next := enginetest.Image(t, enginetest.Client(t))
	r := newRig(t)
	r.mustApply(r.resolve(two))
	old := r.image
	r.image = next
	p := r.resolve(strings.Replace(two, "IMAGE", old, 1))
	changes := r.plan(p)
	if changes["web"].Action != state.ActionKeep || changes["api"].Why != "image" {
		t.Fatalf("plan: %+v", changes)
	}
	r.mustApply(p)
	if got := r.containers()["api-1"].ImageID; got != p.Images["api"].ID {
		t.Errorf("api runs %s, want %s", got, p.Images["api"].ID)
	}
}

func TestErrorOfTheJournalChangesNothing(t *testing.T) {
	r := newRig(t)
	full := errors.New("disk is full")
	err := r.Apply(t.Context(), r.resolve(two), project.ApplyOptions{
		Changing: func(context.Context, string) error { return full },
	})
	if !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if have := r.containers(); len(have) != 0 {
		t.Errorf("containers were made: %v", have)
	}
	networks, err := r.engine.NetworkList(t.Context(), network.ListOptions{Filters: ofProject(r.name)})
	if err != nil || len(networks) != 0 {
		t.Errorf("networks were made: %v %v", networks, err)
	}
}

func TestOrphanIsRemovedOnlyWhenAsked(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(two))
	p := r.resolve("services: {web: {image: IMAGE, environment: {VERSION: '1'}, healthcheck: PROBE}}")
	if got := r.plan(p)["api"]; got.Action != state.ActionRemove {
		t.Errorf("plan: %+v", got)
	}
	if err := r.Apply(t.Context(), p, project.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, ok := r.containers()["api-1"]; !ok {
		t.Fatal("the orphan was removed without RemoveOrphans")
	}
	r.mustApply(p)
	if have := r.containers(); len(have) != 1 {
		t.Errorf("the orphan is still there: %v", have)
	}
}

func TestReplicas(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services: {web: {image: IMAGE, scale: 2}}"))
	have := r.containers()
	if have["web-1"].State != "running" || have["web-2"].State != "running" {
		t.Fatalf("want two replicas: %v", have)
	}
	one := r.resolve("services: {web: {image: IMAGE}}")
	if got := r.plan(one)["web"].Why; got != "replicas 2 → 1" {
		t.Errorf("why: %q", got)
	}
	r.mustApply(one)
	if after := r.containers(); len(after) != 1 || after["web-1"].ID != have["web-1"].ID {
		t.Errorf("want the first replica alone and untouched: %v", after)
	}
}

func TestOneShotThatEndsWellIsASuccessAndIsNotRunAgain(t *testing.T) {
	r := newRig(t)
	text := `
services:
  migrate: {image: IMAGE, command: ["true"]}
  web: {image: IMAGE, healthcheck: PROBE, environment: {VERSION: "1"}, depends_on: {migrate: {condition: service_completed_successfully}}}
`
	r.mustApply(r.resolve(text))
	before, err := r.engine.ContainerInspect(t.Context(), r.containers()["migrate-1"].ID)
	if err != nil {
		t.Fatal(err)
	}
	if before.State.Status != "exited" || before.State.ExitCode != 0 {
		t.Errorf("migrate: %+v", before.State)
	}
	r.mustApply(r.resolve(strings.Replace(text, `"1"`, `"2"`, 1)))
	after, err := r.engine.ContainerInspect(t.Context(), r.containers()["migrate-1"].ID)
	if err != nil {
		t.Fatal(err)
	}
	if after.State.StartedAt != before.State.StartedAt {
		t.Error("a one-shot that did not change was run again")
	}
}

func TestDependencyIsWaitedForUntilItIsHealthy(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(`
services:
  web: {image: IMAGE, depends_on: {db: {condition: service_healthy}}}
  db: {image: IMAGE, healthcheck: {test: [CMD, /testapp, health], interval: 150ms, retries: 50}, environment: {HEALTH_AFTER: 600ms}}
`))
	started := func(name string) time.Time {
		c, err := r.engine.ContainerInspect(t.Context(), r.containers()[name].ID)
		if err != nil {
			t.Fatal(err)
		}
		at, err := time.Parse(time.RFC3339Nano, c.State.StartedAt)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	if gap := started("web-1").Sub(started("db-1")); gap < 600*time.Millisecond {
		t.Errorf("web started %s after db, before it could be healthy", gap)
	}
}

func TestStoppedServiceIsStartedAgain(t *testing.T) {
	r := newRig(t)
	p := r.resolve(two)
	r.mustApply(p)
	before := r.containers()["web-1"].ID
	if err := r.Stop(t.Context(), r.name, "web"); err != nil {
		t.Fatal(err)
	}
	if c := r.containers()["web-1"]; c.State != "exited" {
		t.Fatalf("web is %s", c.State)
	}
	if got := r.plan(p)["web"]; got.Action != state.ActionRecreate || got.Why != "not running" {
		t.Errorf("plan: %+v", got)
	}
	r.mustApply(p)
	if c := r.containers()["web-1"]; c.ID != before || c.Health != "healthy" {
		t.Errorf("web: %+v", c)
	}
}

func TestChangedNetworkKeepsServiceNames(t *testing.T) {
	r := newRig(t)
	text := `
services:
  web: {image: IMAGE, healthcheck: PROBE, networks: [inner]}
  api: {image: IMAGE, healthcheck: PROBE, networks: [inner]}
networks: {inner: {labels: {version: "1"}}}
`
	r.mustApply(r.resolve(text))
	p := r.resolve(strings.Replace(text, `version: "1"`, `version: "2"`, 1))
	if got := r.plan(p)["web"]; got.Action != state.ActionRecreate {
		t.Errorf("plan: %+v", got)
	}
	r.mustApply(p)
	c, err := r.engine.ContainerInspect(t.Context(), r.containers()["web-1"].ID)
	if err != nil {
		t.Fatal(err)
	}
	aliases := c.NetworkSettings.Networks[r.name+"_inner"].Aliases
	if !strings.Contains(strings.Join(aliases, " "), "web") {
		t.Errorf("web is not known by its name on the new network: %v", aliases)
	}
	for name, change := range r.plan(p) {
		if change.Action != state.ActionKeep {
			t.Errorf("plan of %s after the apply: %+v", name, change)
		}
	}
}

func TestSharedNamespaceFollowsItsOwner(t *testing.T) {
	r := newRig(t)
	text := `
services:
  web: {image: IMAGE, environment: {VERSION: "1"}}
  side: {image: IMAGE, command: [sleep], network_mode: "service:web"}
`
	r.mustApply(r.resolve(text))
	for name, change := range r.plan(r.resolve(text)) {
		if change.Action != state.ActionKeep {
			t.Errorf("plan of %s when nothing changed: %+v", name, change)
		}
	}
	before := r.containers()
	p := r.resolve(strings.Replace(text, `"1"`, `"2"`, 1))
	if got := r.plan(p)["side"]; got.Action != state.ActionRecreate || got.Why != "shares a namespace or volumes with web" {
		t.Errorf("plan: %+v", got)
	}
	r.mustApply(p)
	if after := r.containers(); after["side-1"].ID == before["side-1"].ID || after["side-1"].State != "running" {
		t.Errorf("side: %+v", after["side-1"])
	}
	if got := r.plan(p)["side"]; got.Action != state.ActionKeep {
		t.Errorf("plan after the apply: %+v", got)
	}
}

func TestInlineConfigReachesTheContainer(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve(`
services: {web: {image: IMAGE, healthcheck: PROBE, configs: [{source: greeting, target: /greeting}]}}
configs: {greeting: {content: hello}}
`))
	content, stat, err := r.engine.CopyFromContainer(t.Context(), r.containers()["web-1"].ID, "/greeting")
	if err != nil {
		t.Fatal(err)
	}
	_ = content.Close()
	if stat.Size != int64(len("hello")) {
		t.Errorf("the config has %d bytes", stat.Size)
	}
}

func TestNothingReachesTheProcessOutput(t *testing.T) {
	r := newSerialRig(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = write, write
	target, err := New(Options{Host: r.host})
	if err == nil {
		r.Target = target
		_, err = r.apply(r.resolve(two))
	}
	os.Stdout, os.Stderr = stdout, stderr
	_ = write.Close()
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, 4096)
	if n, _ := read.Read(out); n > 0 {
		t.Errorf("printed %q", out[:n])
	}
}
