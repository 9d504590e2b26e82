package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/project"
	"deployer/state"
)

// untouched wants a run to have failed before anything was changed.
func (b *bench) untouched(run *state.Run, says ...string) *state.Run {
	b.t.Helper()
	got := b.ends(run, state.RunFailed)
	if got.Phase != state.PhasePreparing || got.Stage(state.StageDeploy).Status != state.StageSkipped {
		b.t.Errorf("phase %q, deploy %s: want nothing begun", got.Phase, got.Stage(state.StageDeploy).Status)
	}
	text := got.Error + "\n" + got.Hint
	for _, stage := range got.Stages {
		for _, step := range stage.Steps {
			text += "\n" + step.Message + "\n" + step.Hint
		}
	}
	b.says(text, says...)
	if got.Hint == "" {
		b.t.Errorf("%q comes without a hint", got.Error)
	}
	return got
}

// back wants a run to have failed and the stack to run the release of good again.
func (b *bench) back(run, good *state.Run) *state.Run {
	b.t.Helper()
	got := b.ends(run, state.RunRolledBack)
	s := b.stack(run.Stack)
	if got.RolledBackTo != good.Commit || s.Live == nil || s.Live.ID != good.Release || s.LastGood.ID != good.Release {
		b.t.Errorf("rolled back to %q, live %+v, last good %+v; want release %s of %s", got.RolledBackTo, s.Live, s.LastGood, good.Release, good.Commit)
	}
	if st := got.Stage(state.StageRollback); st == nil || st.Status != state.StagePassed {
		b.t.Errorf("the rollback stage is %+v", st)
	}
	return got
}

// quarantined wants exactly this run's release to be quarantined, or none.
func (b *bench) quarantined(run *state.Run, want bool) {
	b.t.Helper()
	q := b.stack(run.Stack).FindQuarantine(run.Release)
	if want != (q != nil) {
		b.t.Fatalf("quarantine of release %s: %+v, want one: %t", run.Release, q, want)
	}
	if want && (q.Run != run.ID || q.Commit != run.Commit || q.Why == "") {
		b.t.Errorf("the quarantine is %+v", q)
	}
}

// pointer is what Git LFS commits in the place of a file.
const pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"

func TestFailedPreflightChangesNothingAndSaysWhatToDo(t *testing.T) {
	for name, row := range map[string]struct {
		push func(b *bench) gittest.Files
		says []string
	}{
		"undefined variable": {func(b *bench) gittest.Files {
			files := b.app("shop", "app:2", "")
			files["shop/compose.yaml"] = gittest.Text("services: {web: {image: \"app:2\", environment: {A: \"${NOBODY_KNOWS}\"}}}\n")
			return files
		}, []string{"NOBODY_KNOWS", "env: the compose files use", "nothing was changed"}},
		"placeholder": {func(b *bench) gittest.Files {
			return gittest.Files{"shop/.env.production": b.encrypted("PASSWORD=changeme")}
		}, []string{"placeholders", "PASSWORD"}},
		"image that cannot be pulled": {func(b *bench) gittest.Files {
			b.target.lose("app:9")
			return b.app("shop", "app:9", "")
		}, []string{"app:9", "manifest unknown"}},
		"service to be built": {func(b *bench) gittest.Files {
			return gittest.Files{"shop/compose.yaml": gittest.Text("services: {web: {build: .}}\n")}
		}, []string{"web has build:", "building is off"}},
		"changed volume": {func(b *bench) gittest.Files {
			b.target.volumes = []string{"volume data exists with driver local"}
			return b.app("shop", "app:2", "")
		}, []string{"volume data exists", "new volume name"}},
		"missing network": {func(b *bench) gittest.Files {
			b.target.networks = []string{"network proxy is external and does not exist"}
			return gittest.Files{"shop/compose.yaml": gittest.Text("services: {web: {image: \"app:2\", networks: [proxy]}}\nnetworks: {proxy: {external: true}}\n")}
		}, []string{"network proxy is external", "deployer makes no external network"}},
		"taken container_name": {func(b *bench) gittest.Files {
			b.target.names = []string{"service web: container_name front is taken by a container of project other"}
			return gittest.Files{"shop/compose.yaml": gittest.Text("services: {web: {image: \"app:2\", container_name: front}}\n")}
		}, []string{"container_name front is taken", "another container_name or none"}},
		"images of the way back are gone": {func(b *bench) gittest.Files {
			b.target.lose("app:1")
			return b.app("shop", "app:2", "")
		}, []string{"way back", "no longer on the Engine: app:1"}},
		"compose file that is none": {func(b *bench) gittest.Files {
			return gittest.Files{"shop/compose.yaml": gittest.Text("services: [")}
		}, []string{"compose.yaml"}},
		"pipeline.yaml with a typing error": {func(b *bench) gittest.Files {
			return gittest.Files{"shop/pipeline.yaml": gittest.Text("verfy: []\n")}
		}, []string{"verfy", "shop/pipeline.yaml"}},
		"env file that is a symlink": {func(*bench) gittest.Files {
			return gittest.Files{"shop/.env.production": gittest.Symlink("../../../etc/passwd")}
		}, []string{"shop/.env.production is a symlink"}},
		"compose file that Git LFS keeps": {func(*bench) gittest.Files {
			return gittest.Files{"shop/compose.yaml": gittest.Text(pointer)}
		}, []string{"shop/compose.yaml is a pointer of Git LFS", "git lfs migrate export"}},
		"pipeline.yaml that Git LFS keeps": {func(*bench) gittest.Files {
			return gittest.Files{"shop/pipeline.yaml": gittest.Text(pointer)}
		}, []string{"shop/pipeline.yaml is a pointer of Git LFS", "git lfs migrate export"}},
		"env file that Git LFS keeps": {func(*bench) gittest.Files {
			return gittest.Files{"shop/.env.production": gittest.Text(pointer)}
		}, []string{"shop/.env.production is a pointer of Git LFS", "git lfs migrate export"}},
		"env file of a service that Git LFS keeps": {func(*bench) gittest.Files {
			return gittest.Files{
				"shop/compose.yaml": gittest.Text("services: {web: {image: \"app:2\", env_file: web.env}}\n"),
				"shop/web.env":      gittest.Text(pointer),
			}
		}, []string{"shop/web.env is a pointer of Git LFS", "git lfs migrate export"}},
		"check that fails": {func(b *bench) gittest.Files {
			return b.app("shop", "app:2", "preflight: [{check: env, required: [TOKEN]}, {check: tcp, address: \"127.0.0.1:1\", name: proxy}]\n")
		}, []string{"TOKEN is not defined", "env: TOKEN is not defined; proxy failed too"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).serve()
			good := b.deployed("one", b.app("shop", "app:1", ""))
			applies, _ := b.target.counts()
			run := b.untouched(b.push("two", row.push(b)), row.says...)
			if got, _ := b.target.counts(); got != applies {
				t.Errorf("the target was applied to %d times", got-applies)
			}
			s := b.stack("shop")
			if s.Live.ID != good.Release || len(s.Quarantined) != 0 || !s.Judged.Again || s.Judged.Commit != run.Commit {
				t.Errorf("live %s, quarantined %v, judged %+v", s.Live.ID, s.Quarantined, s.Judged)
			}
		})
	}
}

func TestFailedDeployGoesBackToTheLastGoodRelease(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	db := b.target.id("shop", "db")
	run := b.back(b.push("two", b.app("shop", "app:broken", "")), good)

	b.says(run.Error, "deploy:", "shop-web-1 exited with code 1")
	b.quarantined(run, true)
	if b.target.runs("shop", "web") != "app:1" || b.target.id("shop", "db") != db {
		t.Errorf("web runs %s; db was %s and is %s", b.target.runs("shop", "web"), db, b.target.id("shop", "db"))
	}
	if got := run.Stage(state.StageVerify).Status; got != state.StageSkipped {
		t.Errorf("verify is %s, want skipped", got)
	}
	s := b.stack("shop")
	if s.Sync() != state.SyncQuarantined || s.Lock != nil {
		t.Errorf("the stack is %s, its lock %+v", s.Sync(), s.Lock)
	}
	b.says(b.log(run), "its containers are up", "rolled_back")
}

func TestFailedVerifyGoesBackWithItsEvidence(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	run := b.back(b.push("two", b.app("shop", "app:sick", "")), good)
	b.says(run.Error, "verify:", "containers", "unhealthy")
	b.says(run.Stage(state.StageVerify).Steps[0].Message, "its last words")
	b.quarantined(run, true)
}

// site is what people see of the shop: status decides by the image that runs.
func (b *bench) site(status func(image string) int) (file string) {
	b.t.Helper()
	return fmt.Sprintf("verify: [{check: http, url: %q}]\n", b.answering(func() int { return status(b.target.runs("shop", "web")) }))
}

// answering is the address of a server that answers every request with a status.
func (b *bench) answering(status func() int) (url string) {
	b.t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status()) }))
	b.t.Cleanup(server.Close)
	return server.URL
}

func TestCheckOfTheOutsideDecides(t *testing.T) {
	b := newBench(t).serve()
	file := b.site(func(image string) int {
		if image == "app:2" {
			return http.StatusBadGateway
		}
		return http.StatusOK
	})
	good := b.deployed("one", b.app("shop", "app:1", file))
	run := b.back(b.push("two", b.app("shop", "app:2", file)), good)
	b.says(run.Error, "verify: http", "answered 502")
	b.quarantined(run, true)
}

func TestWhatFailedBeforeThePushQuarantinesNothing(t *testing.T) {
	b := newBench(t).serve()
	var out atomic.Bool
	file := b.site(func(string) int {
		if out.Load() {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	good := b.deployed("one", b.app("shop", "app:1", file))
	out.Store(true)
	run := b.back(b.push("two", b.app("shop", "app:2", file)), good)
	b.quarantined(run, false)
	b.says(b.log(run), "the live release fails its own checks before the change", "look outside of it")

	out.Store(false) // the same release is then as good as any
	again, err := b.queue.Retry(t.Context(), run.ID, by("ops", ""))
	b.must(err)
	b.ends(again, state.RunSucceeded)
}

func TestOwnFailureIsBlamedEvenDuringAnOutage(t *testing.T) {
	b := newBench(t).serve()
	var out atomic.Bool
	file := b.site(func(string) int {
		if out.Load() {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	good := b.deployed("one", b.app("shop", "app:1", file))
	out.Store(true)
	b.quarantined(b.back(b.push("two", b.app("shop", "app:sick", file)), good), true)
}

func TestFirstReleaseThatFailsIsLeftToLookAt(t *testing.T) {
	b := newBench(t).serve()
	run := b.ends(b.push("one", b.app("shop", "app:broken", "")), state.RunFailed)
	b.says(run.Error, "exited with code 1", "no good release yet", "left for you to look at")
	b.quarantined(run, true)
	if b.target.runs("shop", "web") != "app:broken" || b.target.runs("shop", "db") != "db:1" {
		t.Error("a container was removed")
	}
	s := b.stack("shop")
	if s.LastGood != nil || s.Sync() != state.SyncQuarantined {
		t.Errorf("last good %+v, %s", s.LastGood, s.Sync())
	}
	b.deployed("two", b.app("shop", "app:2", ""))
}

func TestAutomaticRollbackCanBeOff(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	run := b.ends(b.push("two", b.app("shop", "app:broken", "rollback: {automatic: false}\n")), state.RunFailed)
	b.says(run.Error, "automatic rollback is off")
	b.quarantined(run, true)
	if b.target.runs("shop", "web") != "app:broken" || run.Stage(state.StageRollback) != nil {
		t.Errorf("web runs %s", b.target.runs("shop", "web"))
	}
}

func TestFailedRollbackLocksTheStackLoudly(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	b.target.on(func(_ context.Context, c call) error {
		if applying("app:1")(c) {
			return errors.New("no space left on device")
		}
		return nil
	})
	run := b.ends(b.push("two", b.app("shop", "app:broken", "")), state.RunRollbackFailed)
	b.says(run.Error, "exited with code 1", "way back to "+state.ShortCommit(good.Commit), "no space left", "locked")
	b.quarantined(run, true)
	s := b.stack("shop")
	if s.Lock == nil || s.Lock.By != "deployer" || !strings.Contains(s.Lock.Reason, run.ID) || s.LastGood.ID != good.Release {
		t.Fatalf("lock %+v, last good %+v", s.Lock, s.LastGood)
	}

	b.target.on(nil)
	next := b.push("three", b.app("shop", "app:3", ""))
	if got := b.becomes(next, state.RunWaiting); got.WaitingFor != "lock" {
		t.Errorf("the next push waits for %q", got.WaitingFor)
	}
	// A person's rollback passes the lock.
	rollback, err := b.queue.Rollback(t.Context(), "shop", by("ops", "by hand"), state.RunTarget{Release: good.ID})
	b.must(err)
	b.ends(rollback, state.RunSucceeded)
	if got := b.target.runs("shop", "web"); got != "app:1" {
		t.Errorf("web runs %s", got)
	}
}

func TestApplyThatFailsBeforeAnyChangeIsNoRollback(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	b.stop()
	b.stacks[0].Target = &refusingTarget{b.target}
	b.restart()
	run := b.ends(b.push("two", b.app("shop", "app:2", "")), state.RunFailed)
	if run.Phase != state.PhasePreparing || run.Stage(state.StageRollback) != nil || b.stack("shop").Live.ID != good.Release {
		t.Errorf("phase %q, live %s", run.Phase, b.stack("shop").Live.ID)
	}
	b.quarantined(run, false)
}

// A refusingTarget fails before it has changed anything.
type refusingTarget struct{ *fakeTarget }

func (*refusingTarget) Apply(context.Context, *project.Project, project.ApplyOptions) error {
	return errors.New("network shop_default cannot be made")
}

func TestPanicInAStageIsTheRunsFailureAlone(t *testing.T) {
	b := newBench(t).serve()
	b.target.on(func(_ context.Context, c call) error {
		if c.op == "images" && c.web == "app:panic" {
			panic("a nil map")
		}
		return nil
	})
	b.untouched(b.push("one", b.app("shop", "app:panic", "")), "a fault of deployer itself", "a nil map")
	b.deployed("two", b.app("shop", "app:2", ""))
}

func TestWhatAServiceWroteSinceTheDeployDecides(t *testing.T) {
	b := newBench(t).serve()
	logs := "verify: [{check: logs, not: 'last words'}]"
	good := b.deployed("quiet", b.app("shop", "web:1", "verify: [{check: logs, not: 'never said'}]"))
	// Only the run's own deploy has a log to look at: the live release's check
	// is skipped before the change, and is no outage.
	got := b.back(b.push("talks", b.app("shop", "web:2", logs)), good)
	b.says(got.Error, "lines that should not be there since the deploy")
	b.quarantined(got, true)
}

// The step of whatever check failed shows why, not only that of `containers`.
func TestAFailedCheckShowsTheContainerThatIsDown(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("good", b.app("shop", "web:1", ""))
	got := b.back(b.push("sick", b.app("shop", "web:sick", "verify: [{check: tcp, address: '127.0.0.1:1'}]")), good)
	for _, step := range got.Stage(state.StageVerify).Steps {
		if strings.HasPrefix(step.Name, "tcp") {
			b.says(step.Message, "connection refused", "shop-web-1 is unhealthy", "its last words")
			return
		}
	}
	t.Error("the check has no step")
}

// A release that is judged keeps nobody waiting for the checks that are left.
func TestAfterAFailureTheOtherChecksLookOnce(t *testing.T) {
	b := newBench(t).serve()
	var asked atomic.Int64
	url := b.answering(func() int { asked.Add(1); return http.StatusBadGateway })
	good := b.deployed("one", b.app("shop", "app:1", ""))
	file := fmt.Sprintf("verify: [{check: http, url: %q}, {check: http, url: %q, within: 1h}]\n", url, url+"/patient")
	run := b.back(b.push("two", b.app("shop", "app:2", file)), good)
	if steps := run.Stage(state.StageVerify).Steps; len(steps) != 3 || steps[2].Status != state.StepFailed {
		t.Error(b.story(run))
	}
	if asked.Load() != 2 {
		t.Errorf("the server was asked %d times", asked.Load())
	}
}
