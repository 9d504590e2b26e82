package compose

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/compose/v5/pkg/api"
	"github.com/docker/docker/api/types/container"

	"deployer/project"
	"deployer/state"
)

// byHand starts a project as `docker compose up` does, in a folder of its own.
func (r *rig) byHand(dir, text string) {
	r.t.Helper()
	p := load(r.t, r.name, strings.NewReplacer("IMAGE", r.image, "PROBE", check, "DIR", dir).Replace(text)).Compose
	p.WorkingDir = dir
	for name, s := range p.Services {
		s.CustomLabels = types.Labels{
			api.ProjectLabel: r.name, api.ServiceLabel: name, api.VersionLabel: api.ComposeVersion,
			api.WorkingDirLabel: dir, api.ConfigFilesLabel: filepath.Join(dir, "compose.yaml"), api.OneoffLabel: "False",
		}
		p.Services[name] = s
	}
	library, err := r.library(&progress{log: newLines(io.Discard)})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := library.Up(r.t.Context(), p, api.UpOptions{Create: api.CreateOptions{}, Start: api.StartOptions{Project: p, Wait: true}}); err != nil {
		r.t.Fatal(err)
	}
}

// running resolves the project again from what its containers say.
func (r *rig) running() *project.Project {
	r.t.Helper()
	found, err := r.Running(r.t.Context(), r.name)
	if err != nil {
		r.t.Fatal(err)
	}
	recipe, err := found.Recipe("apps/web")
	if err != nil {
		r.t.Fatal(err)
	}
	raw, err := recipe.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	if recipe, err = project.DecodeRecipe(raw); err != nil {
		r.t.Fatal(err)
	}
	env, err := recipe.Env()
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := project.Load(r.t.Context(), project.Source{
		Tree: recipe, Dir: "apps/web", Name: r.name, Env: env, OpenEnv: recipe.OpenEnv,
		Roots: project.Roots{Objects: "/d/objects", Copies: "/d/copies", Data: "/d/data", Secrets: "/d/secrets"},
	})
	if err != nil {
		compose, _ := recipe.ReadFile("apps/web/compose.yaml")
		r.t.Fatalf("%v\n%s", err, compose)
	}
	images := map[string]project.Image{}
	for service, id := range found.Images {
		images[service] = project.Image{Ref: id, ID: id}
	}
	p.PinImages(images)
	return p
}

const handmade = `
services:
  web:
    image: IMAGE
    command: [serve, "$$HOME is not $${HOME}"]
    environment: {PASSWORD: 'Mo$$t "#1" \ x', MODE: plain, LINES: "one\ntwo"}
    labels: {traefik.enable: "true", rule: "Host(` + "`a.example.com`" + `)"}
    ports: ["127.0.0.1::8080"]
    expose: ["9000"]
    volumes: ["DIR/site:/site:ro", "DIR/data:/data", "cache:/cache", {type: tmpfs, target: /scratch}]
    depends_on: {db: {condition: service_healthy}}
    restart: unless-stopped
    cap_drop: [NET_RAW]
    read_only: true
    stop_grace_period: 3s
    networks: {default: {aliases: [site]}, back: {}}
    ulimits: {nofile: {soft: 1000, hard: 2000}}
    deploy: {resources: {limits: {memory: 64M}}}
    extra_hosts: ["host.example.com:10.0.0.1"]
    init: true
  db:
    image: IMAGE
    healthcheck: PROBE
    volumes: ["data:/var/lib/db"]
    networks: [back]
    user: "0:0"
    hostname: database
    logging: {driver: json-file, options: {max-size: 10m}}
networks: {back: {internal: true}}
volumes: {data: {}, cache: {}}
`

// A project that somebody has started by hand is what its containers say, and
// no container of it is touched by a release that wants the same.
func TestRunningProjectIsReadSoThatNothingOfItDiffers(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	for _, name := range []string{"site", "data"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.byHand(dir, handmade)
	before := r.containers()

	adopted := r.running()
	for name, change := range r.plan(adopted) {
		if change.Action != state.ActionKeep {
			t.Errorf("adopted %s: %+v", name, change)
		}
	}
	same := r.resolve(strings.ReplaceAll(handmade, "DIR", dir))
	for name, change := range r.plan(same) {
		if change.Action != state.ActionKeep {
			t.Errorf("the same from a commit, %s: %+v", name, change)
		}
	}
	if log := r.mustApply(same); !strings.Contains(log, "as it should be") {
		t.Errorf("log: %s", log)
	}
	r.same(before, "web-1", "db-1")

	// Only the service that differs is recreated, though Compose's own hash
	// says that both do.
	next := r.resolve(strings.ReplaceAll(strings.Replace(handmade, "MODE: plain", "MODE: new", 1), "DIR", dir))
	changes := r.plan(next)
	if c := changes["web"]; c.Action != state.ActionRecreate || c.Why != project.NotOurs+"environment: MODE" {
		t.Errorf("web: %+v", c)
	}
	if c := changes["db"]; c.Action != state.ActionKeep {
		t.Errorf("db: %+v", c)
	}
	r.mustApply(next)
	r.same(before, "db-1")
	if r.containers()["web-1"].ID == before["web-1"].ID {
		t.Error("web was not recreated")
	}
	// And back to what was adopted: the same configuration in a new container.
	r.mustApply(adopted)
	r.same(before, "db-1")
	for name, change := range r.plan(adopted) {
		if change.Action != state.ActionKeep {
			t.Errorf("adopted again %s: %+v", name, change)
		}
	}
	back, err := r.engine.ContainerInspect(t.Context(), r.containers()["web-1"].ID)
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Join(back.Config.Env, "|")
	if !strings.Contains(env, `PASSWORD=Mo$t "#1" \ x`) || !strings.Contains(env, "LINES=one\ntwo") || back.Config.Cmd[1] != "$HOME is not ${HOME}" {
		t.Errorf("after the way back: %q %q", env, back.Config.Cmd)
	}
	if _, err := r.engine.VolumeInspect(t.Context(), r.name+"_data"); err != nil {
		t.Error(err)
	}
}

// More or fewer of the same, and a start, are no reason to recreate a container
// that somebody else has made.
func TestOtherCountOfAHandmadeServiceRecreatesNothing(t *testing.T) {
	r := newRig(t)
	const text = "services:\n  web: {image: IMAGE, command: [serve], scale: 2, volumes: [\"data:/data\"]}\n  db: {image: IMAGE, command: [serve], restart: always}\nvolumes: {data: {}}\n"
	r.byHand(t.TempDir(), text)
	before := r.containers()
	r.mustApply(r.resolve(strings.Replace(text, "scale: 2", "scale: 3", 1)))
	r.same(before, "web-1", "web-2", "db-1")
	if now := r.containers(); len(now) != 4 || now["web-3"].State != "running" {
		t.Errorf("%v", now)
	}
	if err := r.engine.ContainerStop(t.Context(), before["db-1"].ID, container.StopOptions{}); err != nil {
		t.Fatal(err)
	}
	r.mustApply(r.resolve(strings.Replace(text, "scale: 2", "scale: 3", 1)))
	r.same(before, "db-1")
	r.mustApply(r.resolve(strings.Replace(text, "scale: 2", "scale: 1", 1)))
	r.same(before, "db-1")
	if now := r.containers(); len(now) != 2 {
		t.Errorf("%v", now)
	}
}

// Each of these is a difference, and named.
func TestWhatDiffersFromAHandmadeContainerIsNamed(t *testing.T) {
	r := newRig(t)
	dir := t.TempDir()
	const text = `
services:
  web:
    image: IMAGE
    command: [serve]
    environment: {A: "1"}
    volumes: ["data:/data"]
    healthcheck: PROBE
volumes: {data: {}, other: {}}
`
	r.byHand(dir, text)
	for change, why := range map[string]string{
		"command: [serve]→command: [serve, x]":                                                      "command",
		`{A: "1"}→{A: "2", B: "3"}`:                                                                 "environment: A, B",
		"data:/data→other:/data":                                                                    "mount at /data: volume " + r.name + "_data → volume " + r.name + "_other",
		"command: [serve]→ports: ['127.0.0.1:1234:8080']":                                           "ports: none → 127.0.0.1:1234:8080/tcp",
		"command: [serve]→privileged: true":                                                         "privileged",
		"interval: 150ms→interval: 151ms":                                                           "healthcheck",
		"command: [serve]→labels: {x: y}":                                                           "labels: x",
		"command: [serve]→cap_add: [NET_ADMIN]":                                                     "cap_add",
		"command: [serve]→networks: {default: {aliases: [a]}}":                                      "networks: " + r.name + "_default",
		"command: [serve]→deploy: {resources: {limits: {memory: 32M}}}":                             "mem_limit",
		"volumes: {data: {}, other: {}}→volumes: {data: {}}\nnetworks: {default: {internal: true}}": "definition of network default",
	} {
		from, to, _ := strings.Cut(change, "→")
		next := strings.Replace(strings.ReplaceAll(text, "PROBE", check), from, to, 1)
		c := r.plan(r.resolve(next))["web"]
		if c.Action != state.ActionRecreate || !strings.Contains(c.Why, why) || !strings.HasPrefix(c.Why, project.NotOurs) {
			t.Errorf("%s: got %+v, want %q", change, c, why)
		}
	}
}

// same fails where one of these containers is another one than before, or was
// started again.
func (r *rig) same(before map[string]project.Container, names ...string) {
	r.t.Helper()
	now := r.containers()
	for _, name := range names {
		if now[name].ID != before[name].ID || now[name].State != "running" {
			r.t.Errorf("container %s: %s %s, was %s", name, now[name].ID, now[name].State, before[name].ID)
		}
	}
}
