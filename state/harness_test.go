package state_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"deployer/state"
)

// noon is the time at which tests happen.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func openStore(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Open(filepath.Join(t.TempDir(), "data", "deployer.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func update(t testing.TB, s *state.Store, fn func(*state.Tx) error) {
	t.Helper()
	must(t, s.Update(fn))
}

func view(t testing.TB, s *state.Store, fn func(*state.Tx) error) {
	t.Helper()
	must(t, s.View(fn))
}

// read returns what fn reads in a transaction of its own.
func read[T any](t testing.TB, s *state.Store, fn func(*state.Tx) (T, error)) (out T) {
	t.Helper()
	view(t, s, func(tx *state.Tx) (err error) {
		out, err = fn(tx)
		return err
	})
	return out
}

// newRun is a queued run; runs made one after the other sort in that order.
func newRun(stack string) *state.Run {
	return &state.Run{
		ID: state.NewRunID(), Stack: stack, Kind: state.KindDeploy, Status: state.RunQueued,
		CreatedAt: noon, Stages: []state.StageResult{},
	}
}

func putRun(t testing.TB, s *state.Store, r *state.Run) *state.Run {
	t.Helper()
	update(t, s, func(tx *state.Tx) error { return tx.PutRun(r) })
	return r
}

// putRuns stores n queued runs of a stack and returns their ids, oldest first.
func putRuns(t testing.TB, s *state.Store, stack string, n int) []string {
	t.Helper()
	var ids []string
	update(t, s, func(tx *state.Tx) error {
		for i := range n {
			r := newRun(stack)
			r.Subject = fmt.Sprintf("run %d of %s", i, stack)
			ids = append(ids, r.ID)
			if err := tx.PutRun(r); err != nil {
				return err
			}
		}
		return nil
	})
	return ids
}

func idsOf(runs []*state.Run) []string {
	ids := []string{}
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	return ids
}
