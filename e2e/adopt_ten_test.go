package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A handmade server has projects that were started by hand, each in its folder.
type handmade struct {
	*product
	srv      string // the folder of all
	registry string
	image    string
	projects []string
}

// project writes a project's files and starts it by hand.
func (h *handmade) project(name string, files map[string]string) {
	h.t.Helper()
	name = h.Stack + "-" + name
	h.CleanUp(name)
	h.projects = append(h.projects, name)
	for file, content := range files {
		at := filepath.Join(h.srv, name, file)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			h.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			h.t.Fatal(err)
		}
	}
	h.upAs(name, filepath.Join(h.srv, name), false)
}

// service is one that needs no network of its own.
func service(image, more string) string {
	return "services:\n  web:\n    image: " + image + "\n    network_mode: none\n    healthcheck: {test: [CMD, /testapp, health], interval: 1s, retries: 3}\n" + more
}

// pushed puts an image into the registry, and out of the Engine where asked to.
func (h *handmade) pushed(ref string, stays bool) {
	h.t.Helper()
	s := &registryStack{product: h.product}
	if err := s.pushImage(h.image, ref, "ada", h.Keys["registry"]); err != nil {
		h.t.Fatal(err)
	}
	if !stays {
		if _, err := h.Engine.ImageRemove(h.t.Context(), ref, image.RemoveOptions{}); err != nil {
			h.t.Fatal(err)
		}
	}
}

// started are the containers of all projects, with the moments that they were
// started at.
func (h *handmade) started() map[string]string {
	h.t.Helper()
	out := map[string]string{}
	for _, name := range h.projects {
		for service, id := range h.ContainersOf(name) {
			full, err := h.Engine.ContainerInspect(h.t.Context(), id)
			if err != nil {
				h.t.Fatal(err)
			}
			out[strings.TrimPrefix(name, h.Stack+"-")+"/"+service] = id[:12] + " since " + full.State.StartedAt
		}
	}
	return out
}

// newHandmade starts the ten projects of docs/adopt.md.
func newHandmade(t *testing.T) *handmade {
	t.Helper()
	p := newProduct(t)
	h := &handmade{product: p, srv: filepath.Join(t.TempDir(), "srv"), image: p.Image()}
	h.Keys["registry"] = "canary-registry-0123456789"
	h.registry = enginetest.Registry(t, "ada", h.Keys["registry"])
	h.pushed(h.registry+"/wiki:1", true)
	variables := func(value string) string { return "    environment: {VERSION: " + value + "}\n" }
	for _, name := range []string{"blog", "news", "feed", "docs", "chat"} {
		h.project(name, map[string]string{"compose.yaml": service(h.image, variables(name))})
	}
	h.project("shop", map[string]string{"compose.yaml": service(h.image, "") +
		"  db:\n    image: " + h.image + "\n    network_mode: none\n    volumes: [\"data:/var/lib/db\"]\nvolumes: {data: {}}\n"})
	h.project("photos", map[string]string{"compose.yaml": service(h.image, "    volumes: [\"./uploads:/uploads\"]\n"), "uploads/photo": "of a cat"})
	h.project("wiki", map[string]string{"compose.yaml": service(h.registry+"/wiki:1", "")})
	h.Tag(h.image, h.Stack+"-tool-web") // as a build by hand has left it
	h.project("tool", map[string]string{
		"compose.yaml":   strings.Replace(service("IMAGE", ""), "image: IMAGE", "build: ./src", 1),
		"src/Dockerfile": "FROM " + h.image + "\nENV VERSION=built\n",
	})
	h.project("mail", map[string]string{
		"compose.yaml": service(h.image, "    environment: {API_TOKEN: \"${API_TOKEN}\"}\n"), ".env": "API_TOKEN=" + h.Keys["hook"] + "-of-mail\n",
	})
	return h
}

// collect takes the loop of the document in a clone, and returns what it makes.
func (h *handmade) collect() gittest.Files {
	h.t.Helper()
	clone, bin := h.t.TempDir(), h.t.TempDir()
	if err := os.Symlink(h.Program, filepath.Join(bin, "deployer")); err != nil {
		h.t.Fatal(err)
	}
	rules := "creation_rules:\n  - {path_regex: '\\.env\\.production$', age: " + h.Age + "}\n"
	if err := os.WriteFile(filepath.Join(clone, ".sops.yaml"), []byte(rules), 0o644); err != nil {
		h.t.Fatal(err)
	}
	loop := exec.Command("sh", "-euc", strings.ReplaceAll(block(h.t, "adopt.md", "for dir in /srv/*/"), "/srv/", h.srv+"/"))
	loop.Dir, loop.Env = clone, append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
	if out, err := loop.CombinedOutput(); err != nil {
		h.t.Fatalf("the loop of the document: %v\n%s", err, out)
	}
	files := gittest.Files{}
	err := filepath.WalkDir(filepath.Join(clone, "apps"), func(at string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(at)
		name, _ := filepath.Rel(clone, at)
		files[name] = gittest.Text(string(raw))
		if strings.Contains(string(raw), h.Keys["hook"]) {
			h.t.Errorf("%s holds the secret in clear", name)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return files
}

func (h *handmade) file(project, name string) string {
	return filepath.Join("apps", h.Stack+"-"+project, name)
}

// The evening of docs/adopt.md: ten projects that run, a private registry, an
// empty repository; in the end all are in Git, and a push recreates what it
// changes.
func TestTenProjectsAreAdoptedInAnEvening(t *testing.T) {
	t.Parallel()
	began := time.Now()
	h := newHandmade(t)
	t.Logf("ten projects were started by hand after %s", time.Since(began).Round(time.Second/10))
	began = time.Now()
	defer func() { t.Logf("the evening took %s", time.Since(began).Round(time.Second/10)) }()
	shop := dataStack{product: &product{Product: new(producttest.Product), t: t}}
	*shop.Product = *h.Product
	shop.Stack = h.Stack + "-shop"
	table := shop.volume("db", "/var/lib/db") + "/table"
	if err := os.WriteFile(table, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := h.started()
	if len(before) != 11 {
		t.Fatalf("%d containers by hand: %v", len(before), before)
	}
	same := func(when string, but ...string) {
		t.Helper()
		now := h.started()
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if (now[name] != before[name]) != slices.Contains(but, name) {
				t.Errorf("%s: %s was %s and is %s", when, name, before[name], now[name])
			}
		}
		if got, err := os.ReadFile(table); err != nil || string(got) != "precious" {
			t.Errorf("%s: the volume has %q, %v", when, got, err)
		}
		before = now
	}

	// 1. Collect. One commit says something else than what runs.
	files := h.collect()
	if len(files) != 13 {
		t.Fatalf("the loop made %v", slices.Sorted(maps.Keys(files)))
	}
	x := fmt.Sprintf("    x-deployer: {files: {./uploads: %s}}\n", filepath.Join(h.srv, h.Stack+"-photos", "uploads"))
	files[h.file("photos", "compose.yaml")] = gittest.Text(service(h.image, "    volumes: [\"./uploads:/uploads\"]\n"+x))
	files[h.file("chat", "compose.yaml")] = gittest.Text(service(h.image, "    environment: {VERSION: newer}\n"))
	commit := h.Repo.Commit("main", "what runs", files)

	// 2. Name them all.
	h.Write("registry.password", h.Keys["registry"])
	h.edit("stacks:\n", fmt.Sprintf("registries:\n  %s: {username: ada, password_file: %s}\nstacks:\n", h.registry, h.Path("registry.password")))
	h.edit("  "+h.Stack+":\n    repository: config\n", "  \"apps/*\": {repository: config, directory: \"apps/*\"}\n")
	h.mustReload()
	runs := map[string]*state.Run{}
	h.Eventually(2*time.Minute, "all have had their first run", func() bool {
		over := 0
		for _, run := range h.History() {
			runs[strings.TrimPrefix(run.Stack, h.Stack+"-")] = run
			if run.Status.Terminal() {
				over++
			}
		}
		return over == 10
	})
	same("after the first runs")
	for name, run := range runs {
		want := state.RunSucceeded
		if name == "tool" || name == "chat" {
			want = state.RunFailed
		}
		if run.Status != want || run.Commit != commit {
			t.Errorf("%s is %s: %s", name, run.Status, run.Error)
		}
	}
	if text := runs["chat"].Error + runs["chat"].Hint; !strings.Contains(text, "recreate web (environment: VERSION)") || !strings.Contains(text, "`deployer adopt "+h.Stack+"-chat`") {
		t.Errorf("chat says %s", text)
	}

	// 3. Adopt the rest.
	if out, code := h.CLI("adopt", "--all"); code != 0 || strings.Count(out, ": succeeded") != 2 {
		t.Fatalf("adopt --all: exit %d\n%s", code, out)
	}
	if out, code := h.CLI("adopt"); code != 2 {
		t.Errorf("adopt of nothing: exit %d\n%s", code, out)
	}
	if out, code := h.CLI("adopt", "--all"); code != 0 {
		t.Errorf("none is left to adopt: exit %d\n%s", code, out)
	}
	same("after the adoption")
	for name, says := range map[string]string{"tool": "image", "chat": "environment: VERSION", "blog": ""} {
		out, code := h.CLI("plan", h.Stack+"-"+name)
		if code != 0 || strings.Contains(out, "recreate") != (says != "") || !strings.Contains(out, says) {
			t.Errorf("plan of %s: exit %d\n%s", name, code, out)
		}
	}

	// 4. The first push changes one folder; its image is only in the registry.
	h.pushed(h.registry+"/wiki:2", false)
	had := len(h.History())
	next := h.Repo.Commit("main", "wiki 2", gittest.Files{h.file("wiki", "compose.yaml"): gittest.Text(service(h.registry+"/wiki:2", "    environment: {VERSION: two}\n"))})
	h.announce(next)
	stack := h.Stack
	h.live(stack+"-wiki", next)
	h.Stack = stack
	if runs := h.History(); len(runs) != had+1 || !strings.Contains(evidence(runs[0], state.StagePreflight), "1 of them pulled now") {
		t.Errorf("the push made %d runs:\n%s", len(runs)-had, evidence(runs[0], state.StagePreflight))
	}
	same("after the first push", "wiki/web")

	// 5. The one that has to be recreated is, when it is asked for.
	if out, code := h.CLI("deploy", h.Stack+"-tool"); code != 0 {
		t.Errorf("deploy: exit %d\n%s", code, out)
	}
	same("after the build", "tool/web")
	for _, run := range h.History() {
		if strings.Contains(h.RunLog(run.ID), h.Keys["hook"]) || strings.Contains(h.RunLog(run.ID), h.Keys["registry"]) {
			t.Errorf("run %s of %s shows a secret", run.ID, run.Stack)
		}
	}
}
