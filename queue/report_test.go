package queue

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"deployer/gitsync/gittest"
	"deployer/state"
)

// told is every notice: status, and commit where a forge is told of it.
func (b *bench) told() (out []string) {
	b.t.Helper()
	b.must(b.store.View(func(tx *state.Tx) error {
		for after := uint64(0); ; {
			n, err := tx.NextNotice(after)
			if errors.Is(err, state.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			after = n.Number
			out = append(out, fmt.Sprintf("%s %s", n.Status, state.ShortCommit(n.Commit)))
		}
	}))
	return out
}

func (b *bench) mustTell(want ...string) {
	b.t.Helper()
	if got := b.told(); !slices.Equal(got, want) {
		b.t.Errorf("the forge is to be told\n%q, want\n%q", got, want)
	}
}

func TestAForgeIsToldOfEveryTurn(t *testing.T) {
	b := newBench(t)
	b.stacks[0].Reports = true
	b.renew()
	first := b.accepted(b.event("1111111111"))
	if first.Forge != "infra" {
		t.Errorf("the run is to be told to the forge of %q", first.Forge)
	}
	b.accepted(b.event("2222222222"))
	run, err := b.queue.Deploy(t.Context(), b.stacks[0].Name, by("ada", ""), state.RunTarget{})
	b.must(err)
	b.must(b.queue.Cancel(t.Context(), run.ID, by("ada", "")))
	b.mustTell("queued 1111111", "superseded 1111111", "queued 2222222", "superseded 2222222", "queued ", "canceled ")
}

// The tip moves between the push and the fetch: what was announced is taken back.
func TestAForgeIsToldOfTheCommitThatIsDeployed(t *testing.T) {
	b := newBench(t).serve()
	b.stop()
	b.stacks[0].Reports = true
	b.renew()
	old := b.commit("one", b.app(b.stacks[0].Name, "app:1", ""))
	run := b.accepted(b.event(old))
	tip := b.commit("two", gittest.Files{"README": gittest.Text("more")})
	b.serve()
	b.ends(run, state.RunSucceeded)
	b.mustTell("queued "+state.ShortCommit(old), "running "+state.ShortCommit(old), "superseded "+state.ShortCommit(old), "running "+state.ShortCommit(tip), "succeeded "+state.ShortCommit(tip))
}

func TestAStackWithoutAForgePaysNothing(t *testing.T) {
	b := newBench(t)
	run := b.accepted(b.event("1111111111"))
	b.accepted(b.event("2222222222"))
	b.mustTell()
	if run.Forge != "" {
		t.Errorf("the run names a forge: %q", run.Forge)
	}
}
