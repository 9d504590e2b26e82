package forge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"deployer/state"
	"deployer/state/outbox"
)

func store(t *testing.T) *state.Store {
	t.Helper()
	s, err := state.Open(filepath.Join(t.TempDir(), "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A recorder is a forge of which each answer is chosen. Real answers are the
// other tests' matter.
type recorder struct {
	mu       sync.Mutex
	fail     error
	statuses []Status
	comments []string
	tries    int
}

func (r *recorder) SetStatus(_ context.Context, s Status) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tries++
	if r.fail == nil {
		r.statuses = append(r.statuses, s)
	}
	return r.fail
}

func (r *recorder) Examine(context.Context) (Standing, error) { return Standing{}, nil }

func (r *recorder) PutComment(_ context.Context, pull int, marker, body string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail == nil {
		r.comments = append(r.comments, fmt.Sprint(pull, marker, body))
	}
	return r.fail
}

// tried is how often a status was to be set.
func (r *recorder) tried() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.tries
}

func (r *recorder) set(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = err
}

// said is what was written, in order: context state commit description.
func (r *recorder) said() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, s := range r.statuses {
		out = append(out, fmt.Sprintf("%s %s %s %s", s.Context, s.State, state.ShortCommit(s.Commit), s.Description))
	}
	return out
}

type world struct {
	t     *testing.T
	store *state.Store
	log   bytes.Buffer
	mu    sync.Mutex
	stop  context.CancelFunc
	done  chan struct{}
	*Reporter
}

func (w *world) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(p)
}

func report(t *testing.T, s *state.Store, clients map[string]Client) *world {
	t.Helper()
	w := &world{t: t, store: s, done: make(chan struct{})}
	ctx, stop := context.WithCancel(t.Context())
	w.stop = func() { stop(); <-w.done }
	w.Reporter = NewReporter(ReporterOptions{
		Store: s, URL: "https://deploy.example.com/", Now: time.Now, Log: slog.New(slog.NewTextHandler(w, nil)),
		Clients:      func() map[string]Client { return clients },
		RepositoryOf: func(string) string { return "infra" },
		Mask:         func(text string) string { return strings.ReplaceAll(text, "canary-secret", "[redacted]") },
	})
	go func() { defer close(w.done); w.Serve(ctx) }()
	t.Cleanup(w.stop)
	synctest.Wait()
	return w
}

// happens stores a run as it now is, with its notice; it ran before it ended.
func (w *world) happens(run *state.Run) {
	w.t.Helper()
	err := w.store.Update(func(tx *state.Tx) error {
		if before, err := tx.Run(run.ID); err == nil && before.Status != run.Status && !before.Status.CanBecome(run.Status) {
			before.Status = state.RunRunning
			if err := tx.PutRun(before); err != nil {
				return err
			}
		}
		return errors.Join(tx.AddNotice(run, time.Now()), tx.PutRun(run))
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.RunChanged(run)
}

func (w *world) expect(r *recorder, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := r.said(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.t.Errorf("the forge was told\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func newRun(id, commit string) *state.Run {
	return &state.Run{
		ID: id, Stack: "shop", Kind: state.KindDeploy, Status: state.RunQueued, Commit: commit, Forge: "infra",
		Stages: []state.StageResult{}, CreatedAt: time.Now(),
	}
}

func ends(run *state.Run, status state.RunStatus) *state.Run {
	at := time.Now()
	run.Status, run.FinishedAt = status, &at
	run.Stages = []state.StageResult{{Name: state.StageFetch, Status: state.StagePassed, StartedAt: &at, Steps: []state.Step{}}}
	return run
}

const (
	first  = "1111111aaaa"
	second = "2222222bbbb"
)

func TestARunIsToldFromItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &recorder{}
		w := report(t, store(t), map[string]Client{"infra": forge})
		run := newRun("run-1", first)
		w.happens(run)
		w.expect(forge, "deployer/shop pending 1111111 queued")
		run.Status, run.WaitingFor = state.RunWaiting, "approval"
		w.happens(run)
		run.Status, run.WaitingFor = state.RunRunning, ""
		w.expect(forge, "deployer/shop pending 1111111 queued", "deployer/shop pending 1111111 waits for approval")
		w.happens(run)
		synctest.Wait()
		run.Error = "verify: http: answered canary-secret"
		run.RolledBackTo = second
		w.happens(ends(run, state.RunRolledBack))
		w.expect(forge, "deployer/shop pending 1111111 queued", "deployer/shop pending 1111111 waits for approval",
			"deployer/shop pending 1111111 runs", "deployer/shop failure 1111111 rolled back to 2222222: verify: http: answered [redacted]")
		if url := forge.statuses[3].URL; url != "https://deploy.example.com/runs/run-1" {
			t.Errorf("it links to %s", url)
		}
	})
}

// A forge that is away is told later, without what is no longer so; a restart
// in between loses nothing and repeats nothing.
func TestAForgeThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, forge := store(t), &recorder{}
		clients := map[string]Client{"infra": forge}
		w := report(t, s, clients)
		one, two := newRun("run-1", first), newRun("run-2", second)
		w.happens(one)
		w.expect(forge, "deployer/shop pending 1111111 queued")
		forge.set(errors.New("connection refused"))
		w.happens(ends(one, state.RunSuperseded))
		w.happens(two)
		time.Sleep(time.Hour)
		if tries := forge.tried(); tries < 8 || tries > 20 {
			t.Errorf("%d tries in an hour", tries)
		}
		w.stop()
		w = report(t, s, clients)
		w.happens(ends(two, state.RunSucceeded))
		time.Sleep(time.Minute)
		forge.set(nil)
		time.Sleep(outbox.MaxPause)
		w.expect(forge, "deployer/shop pending 1111111 queued", "deployer/shop canceled 1111111 superseded by a newer run",
			"deployer/shop success 2222222 live and verified")
		w.stop()
		report(t, s, clients)
		time.Sleep(time.Hour)
		if n := len(forge.said()); n != 3 {
			t.Errorf("a restart repeated something: %q", forge.said())
		}
	})
}

func TestAForgeThatAsksForTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &recorder{fail: &Later{Why: "too many", After: 30 * time.Minute}}
		w := report(t, store(t), map[string]Client{"infra": forge})
		w.happens(newRun("run-1", first))
		time.Sleep(29 * time.Minute)
		w.happens(newRun("run-2", second)) // no cause to come earlier
		synctest.Wait()
		if tries := forge.tried(); tries != 1 {
			t.Errorf("%d tries within the time that it asked for", tries)
		}
		forge.set(nil)
		time.Sleep(2 * time.Minute)
		w.expect(forge, "deployer/shop pending 1111111 queued", "deployer/shop pending 2222222 queued")
	})
}

func TestWhatIsRefusedIsSaidInTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(t)
		forge := &recorder{fail: &Refusal{Status: 403, Why: "set the status: GitHub answered 403 canary-secret", Hint: "the token needs more"}}
		w := report(t, s, map[string]Client{"infra": forge})
		run := newRun("run-1", first)
		w.happens(run)
		w.happens(ends(run, state.RunSucceeded))
		w.happens(ends(run, state.RunSucceeded))
		synctest.Wait()
		forge.set(nil)
		w.happens(ends(newRun("run-2", second), state.RunSucceeded))
		w.expect(forge, "deployer/shop success 2222222 live and verified") // the line goes on
		var kept *state.Run
		_ = s.View(func(tx *state.Tx) (err error) { kept, err = tx.Run("run-1"); return err })
		steps := kept.Stages[0].Steps
		if len(steps) != 1 || steps[0].Status != state.StepWarned || steps[0].Hint != "the token needs more" || strings.Contains(steps[0].Message, "canary") {
			t.Errorf("the run says %+v", steps)
		}
		if log := w.log.String(); !strings.Contains(log, "the token needs more") || !strings.Contains(log, "run-1") || strings.Contains(log, "canary") {
			t.Errorf("the log says %s", log)
		}
	})
}

func TestWhatCannotBeToldForADayIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, forge := store(t), &recorder{fail: errors.New("connection refused")}
		w := report(t, s, map[string]Client{"infra": forge})
		w.happens(ends(newRun("run-1", first), state.RunSucceeded))
		time.Sleep(staleAfter + time.Hour)
		forge.set(nil)
		time.Sleep(time.Hour)
		w.expect(forge)
		if log := w.log.String(); !strings.Contains(log, "given up after a day") {
			t.Errorf("the log says %s", log)
		}
		// What is older than a day when the forge comes back is told all the same.
		w.stop()
		run := ends(newRun("run-2", second), state.RunSucceeded)
		w.happens(run)
		time.Sleep(3 * staleAfter)
		w = report(t, s, map[string]Client{"infra": forge})
		w.expect(forge, "deployer/shop success 2222222 live and verified")
	})
}

// What was announced for a commit does not stay where the run goes on to
// another one.
func TestARunThatGoesOnToAnotherCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &recorder{}
		w := report(t, store(t), map[string]Client{"infra": forge})
		run := newRun("run-1", first)
		w.happens(run)
		synctest.Wait()
		run.Status, run.Commit = state.RunRunning, second
		err := w.store.Update(func(tx *state.Tx) error {
			left := *run
			left.Commit, left.Status = first, state.RunSuperseded
			return errors.Join(tx.AddNotice(&left, time.Now()), tx.AddNotice(run, time.Now()), tx.PutRun(run))
		})
		if err != nil {
			t.Fatal(err)
		}
		w.RunChanged(run)
		synctest.Wait()
		w.happens(ends(run, state.RunUnchanged))
		w.expect(forge, "deployer/shop pending 1111111 queued", "deployer/shop canceled 1111111 superseded: the run went on to 2222222",
			"deployer/shop pending 2222222 runs", "deployer/shop success 2222222 unchanged: already runs")
	})
}

func TestEachRepositoryHasItsForge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		infra, tools := &recorder{}, &recorder{fail: errors.New("away")}
		w := report(t, store(t), map[string]Client{"infra": infra, "tools": tools})
		of := newRun("run-1", first)
		of.Forge = "tools"
		w.happens(of)
		plain := ends(newRun("run-2", second), state.RunSucceeded)
		plain.Forge = "" // of before the forge was configured
		w.happens(plain)
		backup := ends(newRun("run-3", first), state.RunSucceeded)
		backup.Kind = state.KindBackup
		w.happens(backup)
		w.expect(infra, "deployer/shop success 2222222 live and verified")
		tools.set(nil)
		time.Sleep(time.Minute)
		w.expect(tools, "deployer/shop pending 1111111 queued")
	})
}

func TestAReviewGetsAStatusAndAComment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &recorder{}
		w := report(t, store(t), map[string]Client{"infra": forge})
		run := newRun("run-1", first)
		run.Kind, run.Review = state.KindReview, &state.Review{Pull: 3, Head: second}
		w.happens(run)
		synctest.Wait()
		if len(forge.comments) > 0 {
			t.Errorf("a review that has come to nothing is commented: %q", forge.comments)
		}
		run.Changes = &state.Changes{Services: []state.ServiceChange{{Name: "a", Action: state.ActionRecreate}, {Name: "b", Action: state.ActionKeep}}}
		w.happens(ends(run, state.RunSucceeded))
		w.expect(forge, "deployer/shop/plan pending 2222222 queued", "deployer/shop/plan success 2222222 planned: recreate 1 of its services")
		marker, body := Comment("https://deploy.example.com/", run)
		if len(forge.comments) != 1 || forge.comments[0] != fmt.Sprint(3, marker, body) {
			t.Errorf("comments %q", forge.comments)
		}
	})
}

// The commit that a person's rollback leaves does not go on to be live: it is
// said once.
func TestTheCommitThatARollbackLeavesIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &recorder{}
		w := report(t, store(t), map[string]Client{"infra": forge})
		w.happens(ends(newRun("run-1", second), state.RunSucceeded))
		back := newRun("run-2", first)
		back.Kind, back.Trigger = state.KindRollback, state.Trigger{Kind: state.TriggerAPI, Actor: "ada", Reason: "canary-secret complaints"}
		w.happens(ends(back, state.RunSucceeded))
		if err := w.store.Update(func(tx *state.Tx) error {
			return tx.AddNotice(&state.Run{ID: back.ID, Forge: "infra", Commit: second, Status: state.RunSuperseded}, time.Now())
		}); err != nil {
			t.Fatal(err)
		}
		w.RunChanged(back)
		w.expect(forge, "deployer/shop success 2222222 live and verified",
			"deployer/shop success 1111111 live again and verified; rolled back by ada",
			"deployer/shop failure 2222222 rolled back by ada to 1111111: [redacted] complaints")
		if url := forge.statuses[2].URL; url != "https://deploy.example.com/runs/run-2" {
			t.Errorf("it links to %s", url)
		}
	})
}

// The comment of a pull request lists all stacks that it concerns; what comes
// thick and fast is one edit, and a restart forgets no stack.
func TestOneCommentListsTheStacksOfAPullRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, forge := store(t), &recorder{}
		clients := map[string]Client{"infra": forge}
		w := report(t, s, clients)
		review := func(id, stack string) *state.Run {
			run := newRun(id, first)
			run.Stack, run.Kind, run.Review = stack, state.KindReview, &state.Review{Pull: 3, Head: second}
			run.Changes = &state.Changes{Services: []state.ServiceChange{{Name: "a", Action: state.ActionRecreate}}}
			return run
		}
		one, two := ends(review("run-1", "one"), state.RunSucceeded), ends(review("run-2", "two"), state.RunFailed)
		w.happens(one)
		synctest.Wait()
		forge.set(errors.New("connection refused"))
		w.happens(two)
		synctest.Wait()
		other := ends(review("run-3", "three"), state.RunSucceeded)
		other.Review.Pull = 4
		w.happens(other)
		w.happens(ends(review("run-4", "four"), state.RunUnchanged))
		w.stop()
		forge.set(nil)
		report(t, s, clients)
		synctest.Wait()
		if len(forge.comments) != 3 {
			t.Fatalf("%d comments: %q", len(forge.comments), forge.comments)
		}
		want := func(at, pull int, runs ...*state.Run) {
			t.Helper()
			marker, body := Comment("https://deploy.example.com/", runs...)
			if got := forge.comments[at]; got != fmt.Sprint(pull, marker, body) {
				t.Errorf("comment %d is %s\nwant %s", at, got, body)
			}
		}
		stored := func(id string) (run *state.Run) {
			if err := s.View(func(tx *state.Tx) (err error) { run, err = tx.Run(id); return err }); err != nil {
				t.Fatal(err)
			}
			return run
		}
		want(0, 3, one)
		want(1, 4, other)
		want(2, 3, one, stored("run-2"), stored("run-4"))
		w = report(t, s, clients)
		one.Review.Ended = state.EndedDropped
		w.happens(one)
		synctest.Wait()
		want(3, 3, stored("run-2"), stored("run-4"))
	})
}

// A deployer is a recorder whose forge shows deployments too.
type deployer struct {
	recorder
	away        bool
	deployments []Deployment
}

func (d *deployer) SetDeployment(_ context.Context, deployment Deployment) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.away {
		return &Later{Why: "away"}
	}
	d.deployments = append(d.deployments, deployment)
	return nil
}

func (d *deployer) goes(away bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.away = away
}

func (d *deployer) shown() []Deployment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.deployments)
}

func TestADeploymentIsToldLaterToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		forge := &deployer{}
		w := report(t, store(t), map[string]Client{"infra": forge})
		run := newRun("run-1", first)
		run.Environment = "production"
		w.happens(run)
		synctest.Wait()
		if shown := forge.shown(); len(shown) > 0 {
			t.Errorf("what only waits is a deployment: %+v", shown)
		}
		forge.goes(true)
		w.happens(ends(run, state.RunSucceeded))
		synctest.Wait()
		forge.goes(false)
		time.Sleep(time.Minute)
		if shown := forge.shown(); len(shown) != 1 || shown[0].State != Success || shown[0].Environment != "shop/production" {
			t.Errorf("the forge shows %+v", shown)
		}
	})
}
