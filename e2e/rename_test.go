package e2e

import (
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"deployer/gitsync/gittest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A stack that gets another name in deployer.yaml, and keeps its project, is
// the same stack: its containers, data and history stay. Without renamed_from
// it is refused before anything changes.
func TestStackIsRenamed(t *testing.T) {
	t.Parallel()
	s := newDataStack(t)
	project, renamed := s.Stack, s.Stack+"-shop"
	mounts := `"./data:/data", "./site:/site:ro"`
	commit := func(version string) gittest.Files {
		files := s.commit(version, mounts, "", "")
		files["site/page"], files["data/.gitkeep"] = gittest.Text("from the commit"), gittest.Text("")
		return files
	}
	_, one := s.Push("one", commit("one"))
	producttest.MustEnd(t, one, state.RunSucceeded)
	two, run := s.Push("two", commit("two"))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if err := os.WriteFile(s.hostPath("/data")+"/file", []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	before := s.Containers()
	at := func(name string, do func()) { // the API by one name, the containers by the project
		s.Stack = name
		do()
		s.Stack = project
	}

	s.edit("  "+project+":\n", "  "+renamed+":\n    project: "+project+"\n")
	s.mustReload()
	_, run = s.Push("three", commit("three"))
	producttest.MustEnd(t, run, state.RunFailed)
	if text := s.RunLog(run.ID); !strings.Contains(text, "was deployed as stack "+project+", which is no longer in deployer.yaml") || !strings.Contains(text, "renamed_from: "+project) {
		t.Errorf("the log says\n%s", text)
	}
	if s.Containers()["web"] != before["web"] {
		t.Error("a stack that was renamed without a word was deployed")
	}

	s.edit("    project: "+project+"\n", "    project: "+project+"\n    renamed_from: "+project+"\n")
	s.Eventually(30*time.Second, "the configuration is taken once nothing is under way", s.Reload)
	at(renamed, func() {
		if now := s.Now(); now.Live == nil || now.Live.Commit != two || now.LastGood.Commit != two {
			t.Errorf("the renamed stack is %+v", now)
		}
		if code := s.Call("viewer", http.MethodGet, "/api/v1/stacks/"+project, nil, nil); code != http.StatusNotFound {
			t.Errorf("the old name answers %d", code)
		}
		for _, r := range s.History() {
			if r.Stack != renamed {
				t.Errorf("run %s is of %s", r.ID, r.Stack)
			}
		}
	})
	if s.Containers()["web"] != before["web"] {
		t.Error("the rename replaced a container")
	}

	s.edit("    renamed_from: "+project+"\n", "") // it has done its work
	s.Stop()
	s.Start()
	at(renamed, func() {
		if out, code := s.CLI("deploy", renamed, "--reason", "what was refused"); code != 0 {
			t.Fatalf("deploy: exit %d\n%s", code, out)
		}
	})
	if got := s.sees("/data/file"); got != "200 precious" {
		t.Errorf("after the deploy it sees %q", got)
	}
	s.mustRunVersion("three")
	if out, code := s.CLI("rollback", renamed, "--to", one.ID); code != 0 {
		t.Fatalf("back to before the rename: exit %d\n%s", code, out)
	}
	s.mustRunVersion("one")
	if got := s.sees("/data/file"); got != "200 precious" {
		t.Errorf("after the rollback it sees %q", got)
	}
	var raw string
	s.Call("admin", http.MethodGet, "/api/v1/audit", nil, &raw)
	if !strings.Contains(raw, `"action":"rename"`) || !strings.Contains(raw, "renamed_from: "+project) {
		t.Errorf("the audit trail has no rename: %s", raw)
	}
}
