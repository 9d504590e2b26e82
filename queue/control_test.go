package queue

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/project"
	"deployer/state"
)

func (b *bench) deploy(want state.RunTarget) *state.Run {
	b.t.Helper()
	run, err := b.queue.Deploy(b.t.Context(), "shop", by("ops", "because"), want)
	b.must(err)
	return run
}

func (b *bench) rollback(want state.RunTarget) *state.Run {
	b.t.Helper()
	run, err := b.queue.Rollback(b.t.Context(), "shop", by("ops", "complaints"), want)
	b.must(err)
	return run
}

// refused wants err to be an answer that says why and what to do.
func (b *bench) refused(err error, says ...string) {
	b.t.Helper()
	var r *state.Refusal
	if !errors.As(err, &r) || r.Hint == "" {
		b.t.Fatalf("got %v, want a refusal with a hint", err)
	}
	b.says(r.Reason+"\n"+r.Hint, says...)
}

func TestRollbackGoesToTheGoodReleaseBeforeAndQuarantinesTheOneItLeaves(t *testing.T) {
	b := newBench(t).serve()
	first, second := twice(b)
	run := b.ends(b.rollback(state.RunTarget{}), state.RunSucceeded)
	s := b.stack("shop")
	if b.target.runs("shop", "web") != "app:1" || s.Live.ID != first.Release || run.Commit != first.Commit || run.Subject != "one" {
		t.Errorf("web runs %s, live %s, the run is for %s %q", b.target.runs("shop", "web"), s.Live.ID, run.Commit, run.Subject)
	}
	for _, stage := range []state.StageName{state.StageFetch, state.StageDecrypt} {
		if got := run.Stage(stage).Status; got != state.StageSkipped {
			t.Errorf("%s is %s: a kept release needs neither Git nor keys", stage, got)
		}
	}
	q := s.FindQuarantine(second.Release)
	if q == nil || q.Commit != second.Commit || q.Run != run.ID {
		t.Fatalf("the release that it left: %+v", q)
	}
	b.says(q.Why, "ops", "complaints")
	if s.Pin != nil || s.Sync() != state.SyncQuarantined {
		t.Errorf("pin %+v, %s: want no pin, so that the next new release deploys", s.Pin, s.Sync())
	}
	b.deployed("three", b.app("shop", "app:3", ""))
}

func TestTheForgeIsToldOnceOfTheCommitThatARollbackLeaves(t *testing.T) {
	b := newBench(t).serve()
	b.stacks[0].Reports = true
	first, second := twice(b)
	told := func() (left []string) {
		b.must(b.store.View(func(tx *state.Tx) error {
			for n, err := tx.NextNotice(0); err == nil; n, err = tx.NextNotice(n.Number) {
				if run := b.run(n.Run); n.Commit != run.Commit {
					left = append(left, n.Commit)
				}
			}
			return nil
		}))
		return left
	}
	if got := told(); len(got) != 0 {
		t.Fatalf("before: %v", got)
	}
	run := b.ends(b.rollback(state.RunTarget{}), state.RunSucceeded)
	if got := told(); !slices.Equal(got, []string{second.Commit}) || run.Commit != first.Commit {
		t.Errorf("told of %v, want %s", got, second.Commit)
	}
	b.ends(b.rollback(state.RunTarget{Release: first.ID}), state.RunUnchanged) // there is nothing to leave
	if got := told(); len(got) != 1 {
		t.Errorf("told of %v", got)
	}
}

func TestPushBesideTheStackDoesNotHideWhatWasRolledBack(t *testing.T) {
	b := newBench(t).serve()
	twice(b)
	b.ends(b.rollback(state.RunTarget{}), state.RunSucceeded)
	b.ends(b.push("elsewhere", gittest.Files{"blog/post.md": gittest.Text("hi")}), state.RunUnchanged)
	if got := b.stack("shop").Sync(); got != state.SyncQuarantined {
		t.Errorf("the stack is %s, while its head holds the quarantined release", got)
	}
}

func TestRollbackNamesItsReleaseByRunCommitOrFingerprint(t *testing.T) {
	b := newBench(t).serve()
	first, _ := twice(b)
	b.deployed("three", b.app("shop", "app:3", ""))
	b.stop()
	for name, to := range map[string]string{
		"run": first.ID, "commit": first.Commit, "part of the commit": first.Commit[:7], "fingerprint": first.Release,
	} {
		if run := b.rollback(state.RunTarget{Release: to}); run.Want.Release != first.Release || run.Kind != state.KindRollback {
			t.Errorf("by %s: it goes to %s, want %s", name, run.Want.Release, first.Release)
		}
	}
	_, err := b.queue.Rollback(t.Context(), "shop", by("ops", ""), state.RunTarget{Release: "0123456"})
	b.refused(err, "no verified release of shop is known as 0123456")
}

func TestRollbackIsRefusedWhereThereIsNothingToGoBackTo(t *testing.T) {
	b := newBench(t).serve()
	_, err := b.queue.Rollback(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.refused(err, "no good release before the live one")
	b.deployed("one", b.app("shop", "app:1", ""))
	_, err = b.queue.Rollback(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.refused(err, "no good release before the live one", "deploy a commit")
}

func TestRollbackWhoseImagesAreGoneChangesNothing(t *testing.T) {
	b := newBench(t).serve()
	_, second := twice(b)
	b.target.lose("app:1")
	b.untouched(b.rollback(state.RunTarget{}), "images", "no longer on the Engine: app:1", "docker load")
	if s := b.stack("shop"); s.Live.ID != second.Release || len(s.Quarantined) != 0 {
		t.Errorf("live %s, quarantined %v", s.Live.ID, s.Quarantined)
	}
}

// A pulledTarget has images that a registry knows by digest.
type pulledTarget struct {
	*fakeTarget
	away  atomic.Bool  // the registry
	asked atomic.Value // the last image that was asked for by its digest
}

func (t *pulledTarget) Images(ctx context.Context, p *project.Project, policy string, log io.Writer) (map[string]project.Image, error) {
	for name, s := range p.Compose.Services {
		if _, id, ok := strings.Cut(s.Image, "@"); ok && policy != "never" {
			if t.away.Load() {
				return nil, errors.New("the registry does not answer")
			}
			t.asked.Store(s.Image)
			s.Image = t.ref(id)
			t.find(s.Image)
			p.Compose.Services[name] = s
		}
	}
	images, err := t.fakeTarget.Images(ctx, p, policy, log)
	for name, image := range images {
		image.Digest = digested(image.Ref)
		images[name] = image
	}
	return images, err
}

// digested is an image of a registry by its digest.
func digested(ref string) string {
	at := strings.LastIndex(ref, ":")
	return ref[:at] + "@sha256:" + hashOf(ref)
}

func (t *pulledTarget) MissingImages(ctx context.Context, ids []string) (missing []string, err error) {
	for _, id := range ids {
		if refs, _ := t.fakeTarget.MissingImages(ctx, []string{id}); len(refs) > 0 {
			missing = append(missing, id)
		}
	}
	return missing, nil
}

// What a prune took is pulled again by the digest that ran, before anything
// stops: what a person goes back to, and what a push would go back to.
func TestWhatTheEngineHasLostIsPulledAgain(t *testing.T) {
	b := newBench(t)
	target := &pulledTarget{fakeTarget: b.target}
	b.stacks[0].Target = target
	b.renew()
	b.serve()
	first, _ := twice(b)
	b.target.lose("app:2")
	target.away.Store(true)
	run := b.ends(b.push("three", b.app("shop", "app:3", "")), state.RunFailed)
	b.says(b.log(run), "way back", "cannot be pulled again: the registry does not answer",
		"get them back on the Engine's host: docker pull "+digested("app:2")+", or push once")
	target.away.Store(false)
	run = b.ends(b.push("four", b.app("shop", "app:4", "")), state.RunSucceeded)
	b.says(b.log(run), "is complete and local; no longer there, and pulled again: "+digested("app:2"))
	b.target.lose("app:1")
	run = b.ends(b.rollback(state.RunTarget{Release: first.Release}), state.RunSucceeded)
	b.says(b.log(run), "no longer there, and pulled again: "+digested("app:1"))
	if s := b.stack("shop"); s.Live.ID != first.Release || s.Live.Digests["web"] != digested("app:1") {
		t.Errorf("live %+v, want %s", s.Live, first.Release)
	}
}

// The name of an image may come from what SOPS encrypted: it is not stored in
// plain, and pulled nevertheless, by another release's secrets too.
func TestSecretNameOfALostImageIsNotTold(t *testing.T) {
	b := newBench(t)
	target := &pulledTarget{fakeTarget: b.target}
	b.stacks[0].Target = target
	b.renew()
	b.serve()
	files := func(registry, tag string) gittest.Files {
		b.env = b.encrypted("PASSWORD="+canary, "REGISTRY="+registry)
		return b.app("shop", "${REGISTRY}/app:"+tag, "")
	}
	first := b.deployed("one", files("secret-one.example.com", "1"))
	b.target.lose("secret-one.example.com/app:1")
	run := b.ends(b.push("two", files("secret-two.example.com", "2")), state.RunSucceeded)
	if asked := target.asked.Load(); asked != digested("secret-one.example.com/app:1") {
		t.Errorf("the registry was asked for %v", asked)
	}
	b.says(b.log(run), "no longer there, and pulled again: [redacted]/app@sha256:")
	all, err := json.Marshal([]any{b.stack("shop"), first, run, b.log(run), b.queue.Readings("shop")})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(all), "secret-") {
		t.Errorf("it is told:\n%s", all)
	}
}

// After a forced push what was deployed before can be deployed again; what
// never was cannot.
func TestCommitThatLeftTheBranchIsDeployedAgainWhereItsReleaseIsRecorded(t *testing.T) {
	b := newBench(t).serve()
	first, second := twice(b)
	never := b.commit("never deployed", b.app("shop", "app:2", "verify: [{check: containers}]\n"))
	b.repo.Reset("main", first.Commit)
	b.ends(b.deploy(state.RunTarget{}), state.RunSucceeded)
	b.ends(b.deploy(state.RunTarget{Commit: second.Commit}), state.RunSucceeded)
	if s := b.stack("shop"); s.Live.ID != second.Release || s.Pin == nil || s.Pin.Commit != second.Commit {
		t.Errorf("live %s, pin %+v", s.Live.ID, s.Pin)
	}
	_, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{Commit: never})
	b.refused(err, "is not on branch main")
}

func TestOlderCommitPinsAndTheHeadUnpins(t *testing.T) {
	b := newBench(t).serve()
	first, second := twice(b)
	b.ends(b.deploy(state.RunTarget{Commit: first.Commit}), state.RunSucceeded)
	s := b.stack("shop")
	if s.Pin == nil || s.Pin.Commit != first.Commit || s.Pin.By != "ops" || s.Pin.Reason != "because" || s.Sync() != state.SyncPinned {
		t.Fatalf("pin %+v, %s", s.Pin, s.Sync())
	}
	if len(s.Quarantined) != 0 {
		t.Errorf("a deploy of an older commit quarantines %v", s.Quarantined)
	}
	b.ends(b.deploy(state.RunTarget{}), state.RunSucceeded)
	if s := b.stack("shop"); s.Pin != nil || s.Live.ID != second.Release || s.Sync() != state.SyncInSync {
		t.Errorf("after a deploy of the head: pin %+v, live %s, %s", s.Pin, s.Live.ID, s.Sync())
	}
	b.ends(b.deploy(state.RunTarget{Commit: first.Commit}), state.RunSucceeded)
	b.ends(b.deploy(state.RunTarget{Commit: second.Commit[:9]}), state.RunSucceeded)
	if s := b.stack("shop"); s.Pin != nil {
		t.Errorf("the tip by its own hash is the head, and yet: %+v", s.Pin)
	}
}

func TestUnpinnedStackIsBehindUntilANewPush(t *testing.T) {
	b := newBench(t).serve()
	first, _ := twice(b)
	b.ends(b.deploy(state.RunTarget{Commit: first.Commit}), state.RunSucceeded)
	b.must(b.queue.Unpin(t.Context(), "shop", by("ops", "")))
	if got := b.stack("shop").Sync(); got != state.SyncBehind {
		t.Errorf("the stack is %s", got)
	}
	b.ends(b.push("elsewhere", gittest.Files{"blog/post.md": gittest.Text("hi")}), state.RunUnchanged)
	if got := b.stack("shop").Sync(); got != state.SyncBehind {
		t.Errorf("after a push beside it the stack is %s", got)
	}
	b.deployed("three", b.app("shop", "app:3", ""))
}

func TestRollbackPinsWhereAskedAndTheNextOneUnpins(t *testing.T) {
	b := newBench(t).serve()
	first, _ := twice(b)
	b.ends(b.rollback(state.RunTarget{Pin: true}), state.RunSucceeded)
	if s := b.stack("shop"); s.Pin == nil || s.Pin.Commit != first.Commit {
		t.Errorf("pin %+v", s.Pin)
	}
	b.ignored(b.event(b.commit("three", b.app("shop", "app:3", ""))), "pin")
}

func TestCommitThatIsNotOnTheBranchIsRefused(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	stray := b.repo.Commit("other", "stray", b.app("shop", "app:9", ""))
	for _, commit := range []string{stray, "0123456789012345678901234567890123456789", "zz"} {
		_, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{Commit: commit})
		b.refused(err, commit, "main")
	}
	_, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{Force: []string{"gravity"}})
	b.refused(err, "gravity", "quarantine, lock or freeze")
}

func TestLockHoldsPushesAndRefusesPeopleUntilItIsOpened(t *testing.T) {
	b := newBench(t).serve()
	b.must(b.queue.Lock(t.Context(), "shop", by("ops", "sale")))
	b.refused(b.queue.Lock(t.Context(), "shop", by("dev", "")), "locked already by ops: sale")
	push := b.push("one", b.app("shop", "app:1", ""))
	if got := b.becomes(push, state.RunWaiting); got.WaitingFor != "lock" {
		t.Errorf("it waits for %q", got.WaitingFor)
	}
	_, err := b.queue.Deploy(t.Context(), "shop", by("dev", ""), state.RunTarget{})
	b.refused(err, "locked by ops: sale", "force")
	newer := b.push("two", b.app("shop", "app:2", ""))
	b.becomes(push, state.RunSuperseded)
	b.becomes(newer, state.RunWaiting)

	b.must(b.queue.Unlock(t.Context(), "shop", by("ops", "")))
	if got := b.ends(newer, state.RunSucceeded); got.WaitingFor != "" {
		t.Errorf("it is over and waits for %q", got.WaitingFor)
	}
}

func TestPersonCanForceTheLock(t *testing.T) {
	b := newBench(t).serve()
	b.commit("one", b.app("shop", "app:1", ""))
	b.must(b.queue.Lock(t.Context(), "shop", by("ops", "sale")))
	b.ends(b.deploy(state.RunTarget{Force: []string{"lock"}}), state.RunSucceeded)
	if b.stack("shop").Lock == nil {
		t.Error("force has opened the lock")
	}
}

func TestRetryWantsTheSameOnceMore(t *testing.T) {
	b := newBench(t).serve()
	first, _ := twice(b)
	b.target.lose("app:3")
	failed := b.untouched(b.push("three", b.app("shop", "app:3", "")))
	b.target.find("app:3")
	again, err := b.queue.Retry(t.Context(), failed.ID, by("ops", "pushed the image"))
	b.must(err)
	b.says(again.Trigger.Reason, failed.ID, "pushed the image")
	if got := b.ends(again, state.RunSucceeded); got.Commit != failed.Commit {
		t.Errorf("the retry deployed %s, want %s", got.Commit, failed.Commit)
	}
	rollback := b.ends(b.rollback(state.RunTarget{Release: first.Release}), state.RunSucceeded)
	again, err = b.queue.Retry(t.Context(), rollback.ID, by("ops", ""))
	b.must(err)
	if got := b.ends(again, state.RunUnchanged); got.Kind != state.KindRollback || got.Release != first.Release {
		t.Errorf("the retry is a %s of %s", got.Kind, got.Release)
	}
}

func TestRunThatIsNotOverCannotBeRetried(t *testing.T) {
	b := newBench(t)
	run := b.accepted(b.event("111"))
	_, err := b.queue.Retry(t.Context(), run.ID, by("ops", ""))
	b.refused(err, "not over: queued", "cancel it first")
}

func TestUnknownStacksAndRunsAreNotFound(t *testing.T) {
	b := newBench(t)
	ctx, who := t.Context(), by("ops", "")
	_, deploy := b.queue.Deploy(ctx, "blog", who, state.RunTarget{})
	_, rollback := b.queue.Rollback(ctx, "blog", who, state.RunTarget{})
	_, plan := b.queue.Plan(ctx, "blog", "")
	_, retry := b.queue.Retry(ctx, "x", who)
	for name, err := range map[string]error{
		"deploy": deploy, "rollback": rollback, "plan": plan, "retry": retry, "cancel": b.queue.Cancel(ctx, "x", who),
		"lock": b.queue.Lock(ctx, "blog", who), "unlock": b.queue.Unlock(ctx, "blog", who),
		"unpin": b.queue.Unpin(ctx, "blog", who), "release": b.queue.Release(ctx, "blog", "f", who),
	} {
		if !errors.Is(err, state.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
}
