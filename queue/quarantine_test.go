package queue

import (
	"errors"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// twice deploys app:1 and then app:2, both good.
func twice(b *bench) (first, second *state.Run) {
	b.t.Helper()
	return b.deployed("one", b.app("shop", "app:1", "")), b.deployed("two", b.app("shop", "app:2", ""))
}

func TestQuarantinedReleaseFailsUnderANewCommitToo(t *testing.T) {
	b := newBench(t).serve()
	b.deployed("one", b.app("shop", "app:1", ""))
	bad := b.ends(b.push("two", b.app("shop", "app:broken", "")), state.RunRolledBack)
	_, before := b.target.counts()
	again := b.untouched(b.push("a note", gittest.Files{"shop/README.md": gittest.Text("hi")}), "quarantined", bad.ID)
	if again.Release != bad.Release {
		t.Errorf("release %s, want %s: only a note was added", again.Release, bad.Release)
	}
	if _, after := b.target.counts(); after != before {
		t.Error("the target was changed")
	}
	if got := b.stack("shop").Sync(); got != state.SyncQuarantined {
		t.Errorf("the stack is %s", got)
	}
	b.deployed("three", b.app("shop", "app:3", ""))
	if got := b.stack("shop"); got.Sync() != state.SyncInSync || got.FindQuarantine(bad.Release) == nil {
		t.Errorf("the stack is %s, quarantined %v", got.Sync(), got.Quarantined)
	}
}

func TestForceDeploysAQuarantinedRelease(t *testing.T) {
	b := newBench(t).serve()
	first, second := twice(b)
	rollback, err := b.queue.Rollback(t.Context(), "shop", by("ops", "complaints"), state.RunTarget{})
	b.must(err)
	b.ends(rollback, state.RunSucceeded)
	b.quarantined(&state.Run{ID: rollback.ID, Stack: "shop", Release: second.Release, Commit: second.Commit}, true)

	refused, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{})
	b.must(err)
	b.untouched(refused, "quarantined", rollback.ID, "--force quarantine")

	forced, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{Force: []string{"quarantine"}})
	b.must(err)
	if got := b.ends(forced, state.RunSucceeded); got.Release != second.Release {
		t.Errorf("release %s, want %s", got.Release, second.Release)
	}
	if s := b.stack("shop"); len(s.Quarantined) != 0 || s.Live.ID == first.Release {
		t.Errorf("quarantined %v, live %s", s.Quarantined, s.Live.ID)
	}
}

func TestForcedReleaseThatFailsAgainStaysQuarantined(t *testing.T) {
	b := newBench(t).serve()
	good := b.deployed("one", b.app("shop", "app:1", ""))
	b.back(b.push("two", b.app("shop", "app:broken", "")), good)
	forced, err := b.queue.Deploy(t.Context(), "shop", by("ops", ""), state.RunTarget{Force: []string{"quarantine"}})
	b.must(err)
	run := b.back(forced, good)
	b.quarantined(run, true)
	if got := len(b.stack("shop").Quarantined); got != 1 {
		t.Errorf("%d quarantines of one release", got)
	}
}

func TestReleaseIsLetOutOfQuarantineByFingerprintOrCommit(t *testing.T) {
	for name, of := range map[string]func(*state.Run) string{
		"fingerprint": func(r *state.Run) string { return r.Release },
		"commit":      func(r *state.Run) string { return r.Commit },
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t).serve()
			b.deployed("one", b.app("shop", "app:1", ""))
			bad := b.ends(b.push("two", b.app("shop", "app:broken", "")), state.RunRolledBack)
			b.must(b.queue.Release(t.Context(), "shop", of(bad), by("ops", "")))
			b.quarantined(bad, false)
			if err := b.queue.Release(t.Context(), "shop", of(bad), by("ops", "")); !errors.Is(err, state.ErrNotFound) {
				t.Errorf("a second time: %v, want not found", err)
			}
		})
	}
}
