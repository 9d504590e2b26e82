package e2e

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/flags"
	"github.com/docker/compose/v5/pkg/api"
	composelib "github.com/docker/compose/v5/pkg/compose"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// upByHand is `docker compose up` with wait in a folder, without deployer.
func (p *product) upByHand(dir string) {
	p.t.Helper()
	p.upAs(p.Stack, dir, true)
}

// upAs is upByHand as a project of another name.
func (p *product) upAs(name, dir string, wait bool) {
	p.t.Helper()
	cli, err := command.NewDockerCli(command.WithCombinedStreams(io.Discard))
	if err == nil {
		err = cli.Initialize(flags.NewClientOptions())
	}
	if err != nil {
		p.t.Fatal(err)
	}
	library, err := composelib.NewComposeService(cli)
	if err != nil {
		p.t.Fatal(err)
	}
	project, err := library.LoadProject(p.t.Context(), api.ProjectLoadOptions{
		ProjectName: name, WorkingDir: dir, ConfigPaths: []string{filepath.Join(dir, "compose.yaml")}, Offline: true,
	})
	if err != nil {
		p.t.Fatal(err)
	}
	err = library.Up(p.t.Context(), project, api.UpOptions{
		Create: api.CreateOptions{Recreate: api.RecreateDiverged, Inherit: true, QuietPull: true},
		Start:  api.StartOptions{Project: project, Wait: wait, WaitTimeout: time.Minute},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// block is the first block of a document with these words in it.
func block(t *testing.T, document, words string) string {
	t.Helper()
	raw, err := os.ReadFile("../docs/" + document)
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(raw), "```") {
		if i%2 == 1 && strings.Contains(part, words) {
			_, text, _ := strings.Cut(part, "\n")
			return text
		}
	}
	t.Fatalf("docs/%s has no block with %q", document, words)
	return ""
}

// The steps of docs/adopt.md with its own compose file, on a project that was
// started by hand, with a volume and a folder that must survive.
func TestAdoptDocument(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	dir := t.TempDir()
	text := strings.NewReplacer("registry.example.com/shop/web:1.4", s.image, "registry.example.com/shop/db:16", s.image,
		":8080:8080", ":"+s.port+":8080").Replace(block(t, "adopt.md", "shop/web"))
	const password = "hunter2-by-hand"
	for name, content := range map[string]string{"compose.yaml": text, ".env": "DB_PASSWORD=" + password + "\n", "uploads/photo": "of a cat"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.upByHand(dir)
	before := s.Containers()
	if out := s.Environment("web")["DB_PASSWORD"]; out != password {
		t.Fatalf("by hand the password is %q", out)
	}
	data := s.volume("db", "/var/lib/db")
	if err := os.WriteFile(data+"/table", []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	untouched := func(when string, services ...string) {
		t.Helper()
		now := s.Containers()
		for _, service := range services {
			if now[service] != before[service] {
				t.Fatalf("%s: %s is another container", when, service)
			}
		}
		if got, err := os.ReadFile(s.volume("db", "/var/lib/db") + "/table"); err != nil || string(got) != "precious" {
			t.Fatalf("%s: the volume has %q, %v", when, got, err)
		}
		if got := s.sees("/uploads/photo"); got != "200 of a cat" {
			t.Fatalf("%s: the folder has %q", when, got)
		}
	}

	// 2. Adopt.
	out, code := s.CLI("adopt", s.Stack)
	if code != 0 {
		t.Fatalf("adopt: exit %d\n%s", code, out)
	}
	adopted := s.History()[0]
	producttest.MustEnd(t, adopted, state.RunSucceeded)
	if adopted.Kind != state.KindAdopt || !strings.Contains(evidence(adopted, state.StagePreflight), "every container can stay as it is") {
		t.Errorf("%s\n%s", adopted.Kind, evidence(adopted, state.StagePreflight))
	}
	untouched("adopted", "web", "db")
	if now := s.Now(); now.Sync != string(state.SyncBehind) || now.Health != "healthy" || now.LastGood == nil {
		t.Errorf("%+v", now)
	}
	if out, code := s.CLI("adopt", s.Stack); code == 0 || !strings.Contains(out, "is deployed already") {
		t.Errorf("adopted twice: exit %d %s", code, out)
	}

	// 3. Put it into Git: the data folder first without x-deployer.
	env := s.Sealed("DB_PASSWORD=" + password + "\n")
	check := gittest.Text("verify: [{check: http, url: 'http://127.0.0.1:" + s.port + "/'}]\n")
	_, run := s.Push("as it was", gittest.Files{"compose.yaml": gittest.Text(text), ".env.production": env, "pipeline.yaml": check})
	producttest.MustEnd(t, run, state.RunFailed)
	remedy := "x-deployer: {files: {./uploads: " + dir + "/uploads}}"
	if !strings.Contains(evidence(run, state.StagePreflight), "data failed") || !strings.Contains(s.RunLog(run.ID), remedy) {
		t.Errorf("the push that loses the folder:\n%s", s.RunLog(run.ID))
	}
	if out, code := s.CLI("plan", s.Stack); !strings.Contains(out, remedy) {
		t.Errorf("the plan does not foresee it: exit %d\n%s", code, out)
	}
	untouched("after the push that was refused", "web", "db")
	kept := strings.Replace(text, "    restart: unless-stopped", "    "+remedy+"\n    restart: unless-stopped", 1)

	// A bad push goes back to what was adopted.
	bad := func(text string) string {
		return strings.Replace(text, "VERSION: one", "VERSION: bad, STATUS: '500'", 1)
	}
	_, run = s.Push("bad", gittest.Files{"compose.yaml": gittest.Text(bad(kept))})
	producttest.MustEnd(t, run, state.RunRolledBack)
	untouched("after the way back", "db")
	s.mustRunVersion("one")
	if run.Changes == nil || !strings.Contains(why(run, "web"), "environment: ") || why(run, "db") != "" {
		t.Errorf("changes: %+v", run.Changes)
	}

	// 4. The first push that wants what runs recreates nothing of it but what
	// the way back has made.
	_, run = s.Push("good", gittest.Files{"compose.yaml": gittest.Text(kept)})
	producttest.MustEnd(t, run, state.RunSucceeded)
	untouched("after the first good push", "db")
	_, run = s.Push("two", gittest.Files{"compose.yaml": gittest.Text(strings.Replace(kept, "VERSION: one", "VERSION: two", 1))})
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustRunVersion("two")
	untouched("after another push", "db")
	if out, code := s.CLI("rollback", s.Stack, "--to", adopted.ID); code != 0 {
		t.Fatalf("rollback: exit %d\n%s", code, out)
	}
	s.mustRunVersion("one")
	untouched("back at what was adopted", "db")
	if got := s.Environment("web")["DB_PASSWORD"]; got != password {
		t.Errorf("the password is %q", got)
	}
	for _, run := range s.History() {
		if strings.Contains(s.RunLog(run.ID), password) {
			t.Errorf("run %s shows the password", run.ID)
		}
	}
}

// Adopted and pushed as it is: no container is touched, and a push that
// changes one service leaves the other.
func TestFirstPushAfterAdoptionRecreatesNothing(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	dir := t.TempDir()
	text := strings.NewReplacer("registry.example.com/shop/web:1.4", s.image, "registry.example.com/shop/db:16", s.image,
		":8080:8080", ":"+s.port+":8080", `    volumes: ["./uploads:/uploads"]`+"\n", "", "${DB_PASSWORD}", "x").Replace(block(t, "adopt.md", "shop/web"))
	if err := os.WriteFile(filepath.Join(dir, "compose.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	status, answer := s.ask("admin", http.MethodPost, "/adopt", nil)
	none := s.Wait(s.mustRun(status, answer).ID)
	if none.Status != state.RunFailed || !strings.Contains(none.Error, "has no containers here") {
		t.Errorf("nothing to adopt: %s %s", none.Status, none.Error)
	}
	if out, code := s.CLI("adopt", "--all"); code != 0 || !strings.Contains(out, s.Stack+": nothing to adopt: ") || strings.Contains(out, s.Stack+": failed") {
		t.Errorf("adopt --all where nothing runs: exit %d\n%s", code, out)
	}
	if out, code := s.CLI("adopt", s.Stack); code != 1 {
		t.Errorf("adopt of a stack that does not run: exit %d\n%s", code, out)
	}
	s.upByHand(dir)
	before := s.Containers()
	status, answer = s.ask("admin", http.MethodPost, "/adopt", nil)
	producttest.MustEnd(t, s.Wait(s.mustRun(status, answer).ID), state.RunSucceeded)

	_, run := s.Push("the same", gittest.Files{"compose.yaml": gittest.Text(text)})
	producttest.MustEnd(t, run, state.RunSucceeded)
	if now := s.Containers(); now["web"] != before["web"] || now["db"] != before["db"] {
		t.Errorf("containers were recreated: %s", s.RunLog(run.ID))
	}
	if now := s.Now(); now.Sync != string(state.SyncInSync) || now.Health != "healthy" {
		t.Errorf("%+v", now)
	}
	_, run = s.Push("web only", gittest.Files{"compose.yaml": gittest.Text(strings.Replace(text, "VERSION: one", "VERSION: two", 1))})
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustRunVersion("two")
	if now := s.Containers(); now["web"] == before["web"] || now["db"] != before["db"] {
		t.Errorf("containers: %v, were %v", now, before)
	}
}

// volume is where a mount of a service is on the host.
func (s dataStack) volume(service, target string) string {
	s.t.Helper()
	full, err := s.Engine.ContainerInspect(s.t.Context(), s.Containers()[service])
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range full.Mounts {
		if m.Destination == target {
			return m.Source
		}
	}
	s.t.Fatalf("%s mounts nothing at %s", service, target)
	return ""
}

// why says why a run recreates a service; empty where it keeps it.
func why(run *state.Run, service string) string {
	for _, s := range run.Changes.Services {
		if s.Name == service {
			return s.Why
		}
	}
	return ""
}
