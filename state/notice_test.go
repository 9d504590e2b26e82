package state_test

import (
	"errors"
	"testing"
	"time"

	"deployer/state"
)

func TestEachSinkIsToldOnceAndInOrder(t *testing.T) {
	s := openStore(t)
	at := time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)
	add := func(run string, at time.Time) {
		t.Helper()
		update(t, s, func(tx *state.Tx) error { return tx.AddNotice(&state.Run{ID: run, Status: state.RunFailed}, at) })
	}
	next := func(sink string) string {
		t.Helper()
		var run string
		update(t, s, func(tx *state.Tx) error {
			n, err := tx.NextNotice(tx.Told(sink))
			if errors.Is(err, state.ErrNotFound) {
				run = "none"
				return nil
			}
			if err != nil {
				return err
			}
			run = n.Run
			return tx.PutTold(sink, n.Number)
		})
		return run
	}
	expect := func(sink string, want ...string) {
		t.Helper()
		for _, w := range want {
			if got := next(sink); got != w {
				t.Errorf("%s is told of %s, want %s", sink, got, w)
			}
		}
	}
	add("before anyone listens", at)
	update(t, s, func(tx *state.Tx) error { return tx.PutTold("notify/a", tx.Told("notify/a")) })
	add("1", at.Add(time.Hour))
	add("2", at.Add(2*time.Hour))
	update(t, s, func(tx *state.Tx) error { return tx.PutTold("notify/b", tx.Told("notify/b")) })
	add("3", at.Add(3*time.Hour))
	expect("notify/a", "1", "2", "3", "none")
	expect("notify/b", "3", "none")

	update(t, s, func(tx *state.Tx) error { return tx.KeepSinks("notify/", []string{"notify/a"}) })
	add("4", at.Add(4*time.Hour))
	update(t, s, func(tx *state.Tx) error { return tx.PutTold("notify/b", tx.Told("notify/b")) })
	expect("notify/b", "none") // it is new again
	update(t, s, func(tx *state.Tx) error { return tx.TrimNotices(at.Add(5 * time.Hour)) })
	expect("notify/a", "none") // 4 was too old
	add("5", at.Add(6*time.Hour))
	update(t, s, func(tx *state.Tx) error { return tx.TrimNotices(at.Add(5 * time.Hour)) })
	expect("notify/a", "5", "none")
}
