package state_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"deployer/state"
)

func TestReleaseIsStoredAgainWithoutLosingItsRecipe(t *testing.T) {
	s := openStore(t)
	r := wholeRelease("shop")
	r.VerifiedAt = nil
	update(t, s, func(tx *state.Tx) error { return tx.PutRelease(r, []byte("recipe")) })
	r.VerifiedAt = later(time.Hour)
	update(t, s, func(tx *state.Tx) error { return tx.PutRelease(r, nil) })

	got := read(t, s, func(tx *state.Tx) (*state.Release, error) { return tx.Release("shop", r.ID) })
	recipe := read(t, s, func(tx *state.Tx) ([]byte, error) { return tx.Sealed("shop", r.ID) })
	if got.VerifiedAt == nil || string(recipe) != "recipe" {
		t.Errorf("verified at %v with recipe %q", got.VerifiedAt, recipe)
	}
}

func TestForgottenReleaseTakesItsRecipeAlong(t *testing.T) {
	s := openStore(t)
	update(t, s, func(tx *state.Tx) error { return tx.PutRelease(wholeRelease("shop"), []byte("recipe")) })
	update(t, s, func(tx *state.Tx) error { return tx.DeleteRelease("shop", "f00d") })
	view(t, s, func(tx *state.Tx) error {
		_, release := tx.Release("shop", "f00d")
		_, recipe := tx.Sealed("shop", "f00d")
		if !errors.Is(release, state.ErrNotFound) || !errors.Is(recipe, state.ErrNotFound) {
			t.Errorf("release %v, recipe %v: want both not found", release, recipe)
		}
		return nil
	})
}

func TestReleasesOfAllStacksAreListedTogether(t *testing.T) {
	s := openStore(t)
	update(t, s, func(tx *state.Tx) error {
		return errors.Join(tx.PutRelease(wholeRelease("shop"), nil), tx.PutRelease(wholeRelease("blog"), nil))
	})
	var got []string
	for _, r := range read(t, s, func(tx *state.Tx) ([]*state.Release, error) { return tx.Releases("") }) {
		got = append(got, r.Stack)
	}
	if !slices.Equal(got, []string{"blog", "shop"}) {
		t.Errorf("got %v", got)
	}
}

func TestWhatWasLiveAtATime(t *testing.T) {
	s := openStore(t)
	for i, id := range []string{"f1", "f2", "f1"} { // back to the first one in the end
		r := wholeRelease("shop")
		r.ID, r.At = id, noon.Add(time.Duration(i)*time.Hour)
		update(t, s, func(tx *state.Tx) error { return tx.WentLive(r) })
	}
	for _, row := range []struct {
		at   time.Duration
		want string
	}{
		{-time.Nanosecond, ""}, {0, "f1"}, {59 * time.Minute, "f1"}, {time.Hour, "f2"},
		{2*time.Hour - time.Nanosecond, "f2"}, {2 * time.Hour, "f1"}, {1000 * time.Hour, "f1"},
	} {
		view(t, s, func(tx *state.Tx) error {
			r, err := tx.LiveAt("shop", noon.Add(row.at))
			if row.want == "" {
				if !errors.Is(err, state.ErrNotFound) {
					t.Errorf("at %s: %v, %v, want not found", row.at, r, err)
				}
				return nil
			}
			if err == nil && r.ID != row.want {
				t.Errorf("at %s: %s, want %s", row.at, r.ID, row.want)
			}
			return err
		})
	}
	history := read(t, s, func(tx *state.Tx) ([]*state.Release, error) { return tx.LiveHistory("shop") })
	var got []string
	for _, r := range history {
		got = append(got, r.ID)
	}
	if !slices.Equal(got, []string{"f1", "f2", "f1"}) {
		t.Errorf("the history is %v", got)
	}
}
