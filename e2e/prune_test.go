package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"

	"deployer/gitsync/gittest"
	"deployer/internal/enginetest"
	"deployer/internal/producttest"
	"deployer/state"
)

// A prunedStack is one whose images a user prunes.
type prunedStack struct {
	dataStack
	ids []string // of its images, in the order of their versions
}

func newPrunedStack(t *testing.T) *prunedStack {
	t.Helper()
	return &prunedStack{dataStack: dataStack{newProduct(t), "", freePort(t)}}
}

// next is a version of the stack with an image of its own.
func (s *prunedStack) next(version, pipeline string) gittest.Files {
	s.t.Helper()
	s.image = s.Image("LABEL pruned.by=" + s.Stack)
	s.ids = append(s.ids, enginetest.ID(s.t, s.Engine, s.image))
	return s.again(version, pipeline)
}

// again is a version with the image of the one before.
func (s *prunedStack) again(version, pipeline string) gittest.Files {
	files := s.commit(version, "", "", "")
	files["pipeline.yaml"] = gittest.Text(pipeline + "verify: [{check: http, url: 'http://127.0.0.1:" + s.port + "/'}]\n")
	return files
}

// prune is `docker image prune -a`, for the images of this stack alone: the
// Engine is shared. It wants these gone, and no others.
func (s *prunedStack) prune(gone ...string) {
	s.t.Helper()
	var deleted []string
	s.Eventually(time.Minute, "the images are pruned", func() bool {
		report, err := s.Engine.ImagesPrune(s.t.Context(), filters.NewArgs(filters.Arg("dangling", "false"), filters.Arg("label", "pruned.by="+s.Stack)))
		if cerrdefs.IsConflict(err) { // another prune is under way
			return false
		}
		if err != nil {
			s.t.Fatal(err)
		}
		for _, d := range report.ImagesDeleted {
			if slices.Contains(s.ids, d.Deleted) {
				deleted = append(deleted, d.Deleted)
			}
		}
		// One that deployer names at this moment, at the end of a run, stays.
		return len(deleted) >= len(gone)
	})
	if !slices.Equal(deleted, gone) {
		s.t.Fatalf("the prune has deleted %v, want %v", deleted, gone)
	}
}

// saved is an image as `docker save` writes it.
func (s *prunedStack) saved(id string) []byte {
	s.t.Helper()
	out, err := s.Engine.ImageSave(s.t.Context(), []string{id})
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	raw, err := io.ReadAll(out)
	if err != nil {
		s.t.Fatal(err)
	}
	return raw
}

// load is `docker load`.
func (s *prunedStack) load(id string, saved []byte) {
	s.t.Helper()
	s.t.Cleanup(func() { _, _ = s.Engine.ImageRemove(context.Background(), id, image.RemoveOptions{Force: true}) })
	answer, err := s.Engine.ImageLoad(s.t.Context(), bytes.NewReader(saved))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || enginetest.ID(s.t, s.Engine, id) != id {
		s.t.Fatalf("load: %s %v", text, err)
	}
}

// mustSay wants this health, and of the ways back these readings, each a key
// and a status; the API and `deployer status` say the same.
func (s *prunedStack) mustSay(health, image string, want ...string) {
	s.t.Helper()
	var shown struct {
		Health   string
		Readings []struct{ Check, Status, Message, Hint string }
	}
	s.Call("viewer", http.MethodGet, "/api/v1/stacks/"+s.Stack, nil, &shown)
	status, code := s.CLI("status", s.Stack)
	var got []string
	for _, r := range shown.Readings {
		if r.Check != "way back" && r.Check != "rollback" {
			continue
		}
		got = append(got, r.Check+" "+r.Status)
		if !strings.Contains(r.Message, "its images are no longer on the Engine: "+image) || !strings.Contains(r.Hint, "load them again") ||
			code != 0 || !strings.Contains(status, "could not be run again") || !strings.Contains(status, r.Hint) {
			s.t.Errorf("%+v, and status says with exit code %d\n%s", r, code, status)
		}
	}
	if shown.Health != health || !slices.Equal(got, want) {
		s.t.Errorf("it is %s and says %q, want %s and %q", shown.Health, got, health, want)
	}
}

// What runs stays, and what could be gone back to is missed before anybody
// wants to go there.
func TestPruneOfAllImagesWhileTheStackRuns(t *testing.T) {
	t.Parallel()
	s := newPrunedStack(t)
	box := newInbox(t)
	s.Stop()
	s.Top = fmt.Sprintf("notify: [%q]\n", box.url)
	s.Configure("generic", "")
	s.Start()
	const monitor = "monitor: {every: 1s, checks: [{check: containers}]}\n"
	for _, version := range []string{"one", "two"} {
		_, run := s.Push(version, s.next(version, monitor))
		producttest.MustEnd(t, run, state.RunSucceeded)
	}
	s.mustSay("healthy", "")
	before := s.Containers()["web"]
	s.prune(s.ids[0])
	s.mustSay("healthy", s.ids[0], "rollback warned")
	box.holds(3, "rollback: warned")
	if news := s.History()[0]; news.Kind != state.KindMonitor || !strings.Contains(evidence(news, state.StageVerify), s.ids[0]) {
		t.Errorf("the newest run is %s:\n%s", news.Kind, evidence(news, state.StageVerify))
	}
	if out, code := s.CLI("rollback", s.Stack); code != 1 || !strings.Contains(out, s.ids[0]) || s.Containers()["web"] != before {
		t.Errorf("back to what is gone: exit %d\n%s", code, out)
	}

	// The next deploy has a way back, and so has the next person.
	_, run := s.Push("three", s.again("three", monitor))
	producttest.MustEnd(t, run, state.RunSucceeded)
	if text := evidence(run, state.StagePreflight); !strings.Contains(text, "way back passed") {
		t.Errorf("preflight:\n%s", text)
	}
	s.mustSay("healthy", "")
	s.prune()
	_, run = s.Push("bad", and(s.next("bad", monitor), gittest.Files{".env.production": gittest.Text("STATUS=500\n")}))
	producttest.MustEnd(t, run, state.RunRolledBack)
	s.mustRunVersion("three")
	s.prune(s.ids[2]) // nobody goes back to what failed
	s.mustSay("healthy", "")
	if out, code := s.CLI("rollback", s.Stack); code != 0 {
		t.Errorf("rollback: exit %d\n%s", code, out)
	}
	s.mustRunVersion("two")
}

// The good release is not what runs, so that its images are pruned: no deploy
// starts without a way back unless somebody says so, and the image can be
// loaded again.
func TestPruneOfTheImagesOfTheWayBack(t *testing.T) {
	t.Parallel()
	s := newPrunedStack(t)
	_, run := s.Push("one", s.next("one", ""))
	producttest.MustEnd(t, run, state.RunSucceeded)
	const stays = "rollback: {automatic: false}\n"
	_, run = s.Push("two stays though it fails", and(s.next("two", stays), gittest.Files{".env.production": gittest.Text("STATUS=500\n")}))
	producttest.MustEnd(t, run, state.RunFailed)
	s.mustSay("healthy", "")
	image := s.saved(s.ids[0])
	s.prune(s.ids[0])
	s.mustSay("degraded", s.ids[0], "way back failed")
	s.Stop()
	s.Start() // no monitor: the look at the start, or one an hour later, makes it news
	s.Eventually(time.Minute, "the loss is in the history", func() bool {
		news := s.History()[0]
		return news.Kind == state.KindMonitor && news.Status == state.RunFailed && strings.Contains(news.Error, "way back: release") && news.Hint != ""
	})

	before := s.Containers()["web"]
	well := gittest.Files{".env.production": gittest.Removed()}
	_, run = s.Push("three", and(s.again("three", ""), well))
	producttest.MustEnd(t, run, state.RunFailed)
	if !strings.Contains(run.Error, "nothing was changed") || !strings.Contains(run.Hint, "push once with rollback: {automatic: false}") || s.Containers()["web"] != before {
		t.Errorf("without a way back: %s\n%s", run.Error, run.Hint)
	}
	_, run = s.Push("four, as the hint says", s.again("four", stays))
	producttest.MustEnd(t, run, state.RunSucceeded)
	s.mustSay("healthy", s.ids[0], "rollback warned")
	s.load(s.ids[0], image)
	s.mustSay("healthy", "")
	if out, code := s.CLI("rollback", s.Stack); code != 0 {
		t.Errorf("rollback to the image that was loaded: exit %d\n%s", code, out)
	}
	s.mustRunVersion("one")
	s.prune(s.ids[1]) // nobody goes back to what a person went away from
	s.mustSay("healthy", "")
}
