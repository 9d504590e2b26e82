package state_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"deployer/state"
)

func query(t testing.TB, s *state.Store, q state.RunQuery) (ids []string, next string) {
	t.Helper()
	view(t, s, func(tx *state.Tx) error {
		runs, cursor, err := tx.Runs(q)
		ids, next = idsOf(runs), cursor
		return err
	})
	return ids, next
}

func backwards(ids []string) []string {
	out := slices.Clone(ids)
	slices.Reverse(out)
	return out
}

func TestRunsAreFilteredAndNewestFirst(t *testing.T) {
	s := openStore(t)
	var ids []string
	for i, change := range []func(*state.Run){
		func(r *state.Run) { r.Commit = "abc111" },
		func(r *state.Run) { r.Commit, r.Status = "abc222", state.RunFailed },
		func(r *state.Run) { r.Kind, r.Trigger.Actor = state.KindRollback, "ops" },
		func(r *state.Run) { r.Stack, r.Trigger.Actor = "blog", "ops" },
		func(r *state.Run) { r.Commit, r.Status, r.Trigger.Actor = "ab", state.RunFailed, "ci" },
	} {
		run := newRun("shop")
		run.CreatedAt = noon.Add(time.Duration(i) * time.Hour)
		change(run)
		ids = append(ids, putRun(t, s, run).ID)
	}
	for _, row := range []struct {
		name  string
		query state.RunQuery
		want  []int
	}{
		{"all", state.RunQuery{}, []int{4, 3, 2, 1, 0}},
		{"a stack", state.RunQuery{Stack: "shop"}, []int{4, 2, 1, 0}},
		{"an unknown stack", state.RunQuery{Stack: "sho"}, nil},
		{"a status", state.RunQuery{Status: state.RunFailed}, []int{4, 1}},
		{"a kind", state.RunQuery{Kind: state.KindRollback}, []int{2}},
		{"a whole commit", state.RunQuery{Commit: "abc222"}, []int{1}},
		{"a prefix of commits", state.RunQuery{Commit: "abc"}, []int{1, 0}},
		{"a commit longer than one of them", state.RunQuery{Commit: "abc2222"}, nil},
		{"an actor", state.RunQuery{Actor: "ops"}, []int{3, 2}},
		{"since, which is included", state.RunQuery{Since: noon.Add(3 * time.Hour)}, []int{4, 3}},
		{"until, which is not", state.RunQuery{Until: noon.Add(2 * time.Hour)}, []int{1, 0}},
		{"between", state.RunQuery{Since: noon.Add(time.Hour), Until: noon.Add(3 * time.Hour)}, []int{2, 1}},
		{"several at once", state.RunQuery{Stack: "shop", Status: state.RunFailed, Actor: "ci"}, []int{4}},
		{"before a run", state.RunQuery{Before: ids[2]}, []int{1, 0}},
		{"before a run of another stack", state.RunQuery{Stack: "shop", Before: ids[3]}, []int{2, 1, 0}},
		{"before the oldest", state.RunQuery{Before: ids[0]}, nil},
	} {
		var want []string
		for _, i := range row.want {
			want = append(want, ids[i])
		}
		got, next := query(t, s, row.query)
		if !slices.Equal(got, want) || next != "" {
			t.Errorf("%s: %v and cursor %q, want %v on one page", row.name, got, next, want)
		}
	}
}

// selects says once more, and slowly, what a query asks for.
func selects(q state.RunQuery, r *state.Run) bool {
	return (q.Stack == "" || r.Stack == q.Stack) && (q.Status == "" || r.Status == q.Status) && (q.Kind == "" || r.Kind == q.Kind) &&
		strings.HasPrefix(r.Commit, q.Commit) && (q.Actor == "" || r.Trigger.Actor == q.Actor) &&
		!r.CreatedAt.Before(q.Since) && (q.Until.IsZero() || r.CreatedAt.Before(q.Until)) && (q.Before == "" || r.ID < q.Before)
}

func TestEveryQueryFindsWhatALookAtAllRunsFinds(t *testing.T) {
	s := openStore(t)
	stack := rapid.SampledFrom([]string{"a", "ab", "b"})
	kind := rapid.SampledFrom([]state.RunKind{state.KindDeploy, state.KindRollback})
	commit := rapid.SampledFrom([]string{"", "aaaa", "aaaa11112222333344445555", "aaaa11112222333344446666", "bbbb11112222"})
	actor := rapid.SampledFrom([]string{"", "ada", "adam"})
	minute := rapid.IntRange(0, 60)
	var runs []*state.Run
	update(t, s, func(tx *state.Tx) error { // so many that the oldest commits are sorted, now and while more come
		for i := range 1200 {
			r := newRun([]string{"a", "b"}[i%2])
			r.Commit, r.Trigger.Actor, r.Status = []string{"aaaa", "bbbb11112222", "cccc"}[i%3], "ada", everyStatus[i%len(everyStatus)]
			runs = append(runs, r)
			if err := tx.PutRun(r); err != nil {
				return err
			}
		}
		return nil
	})
	rapid.Check(t, func(t *rapid.T) {
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		var changed []*state.Run
		for range rapid.IntRange(0, 5).Draw(t, "new") {
			r := newRun(stack.Draw(t, "stack"))
			r.Kind, r.Commit, r.Trigger.Actor = kind.Draw(t, "kind"), commit.Draw(t, "commit"), actor.Draw(t, "actor")
			r.CreatedAt = noon.Add(time.Duration(len(runs)) * time.Minute)
			r.Status = rapid.SampledFrom(everyStatus).Draw(t, "status")
			runs = append(runs, r)
			changed = append(changed, r)
		}
		for _, r := range runs { // the indexes follow what runs become
			if following := next[r.Status]; len(following) > 0 && rapid.IntRange(0, 9).Draw(t, "changes") == 0 {
				r.Status, r.Commit = rapid.SampledFrom(following).Draw(t, "status"), commit.Draw(t, "commit")
				again := *r
				changed = append(changed, &again)
			}
		}
		must(s.Update(func(tx *state.Tx) error {
			for _, r := range changed {
				if err := tx.PutRun(r); err != nil {
					return err
				}
			}
			return nil
		}))
		q := state.RunQuery{Limit: rapid.IntRange(1, 7).Draw(t, "limit") * 50, Stack: rapid.SampledFrom([]string{"", "a", "ab", "c"}).Draw(t, "stack"),
			Status: rapid.SampledFrom(append([]state.RunStatus{"", "", ""}, everyStatus...)).Draw(t, "status"),
			Commit: rapid.SampledFrom([]string{"", "", "aaaa", "aaaa1111222233334444666", "bb"}).Draw(t, "commit"), Actor: actor.Draw(t, "actor")}
		if rapid.Bool().Draw(t, "a kind") {
			q.Kind = kind.Draw(t, "kind")
		}
		if rapid.IntRange(0, 3).Draw(t, "since") == 0 {
			q.Since = noon.Add(time.Duration(minute.Draw(t, "since")) * time.Minute)
		}
		if rapid.IntRange(0, 3).Draw(t, "until") == 0 {
			q.Until = noon.Add(time.Duration(minute.Draw(t, "until")) * time.Minute)
		}
		var want, got []string
		for _, r := range slices.Backward(runs) {
			if selects(q, r) {
				want = append(want, r.ID)
			}
		}
		for page := q; ; {
			var found []*state.Run
			var next string
			must(s.View(func(tx *state.Tx) (err error) { found, next, err = tx.Runs(page); return err }))
			got = append(got, idsOf(found)...)
			if page.Before = next; next == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v of %d runs selects\n%v, want\n%v", q, len(runs), got, want)
		}
	})
}

// Two filters that each match often, and together only once and long ago: no
// page looks at all runs, and following the pages finds it.
func TestPageEndsBeforeItHoldsTheDatabaseUp(t *testing.T) {
	s := openStore(t)
	rare := newRun("shop")
	rare.Trigger.Actor = "ada"
	putRun(t, s, rare)
	update(t, s, func(tx *state.Tx) error {
		for i := range 24_000 {
			r := newRun([]string{"shop", "blog"}[i%2])
			r.Trigger.Actor = []string{"bob", "ada"}[i%2]
			if err := tx.PutRun(r); err != nil {
				return err
			}
		}
		return nil
	})
	q := state.RunQuery{Stack: "shop", Actor: "ada"}
	first, next := query(t, s, q)
	if len(first) != 0 || next == "" {
		t.Fatalf("the first page has %d runs and the cursor %q", len(first), next)
	}
	q.Before = next
	if second, next := query(t, s, q); !slices.Equal(second, []string{rare.ID}) || next != "" {
		t.Errorf("the second page has %v and the cursor %q", second, next)
	}
}

func TestPagesStayWholeWhileRunsAreAdded(t *testing.T) {
	for _, row := range []struct {
		name  string
		query state.RunQuery
	}{
		{"all stacks", state.RunQuery{Limit: 4}},
		{"one stack", state.RunQuery{Stack: "shop", Limit: 4}},
		{"a filter", state.RunQuery{Kind: state.KindDeploy, Limit: 4}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := openStore(t)
			want := backwards(putRuns(t, s, "shop", 11))
			var got []string
			for q, pages := row.query, 0; ; pages++ {
				ids, next := query(t, s, q)
				got = append(got, ids...)
				putRuns(t, s, "shop", 3) // they are newer than every page that is left
				if next == "" {
					if pages != 2 {
						t.Errorf("%d full pages before the last, want 2", pages)
					}
					break
				}
				if len(ids) != 4 {
					t.Fatalf("a page has %d runs, want 4", len(ids))
				}
				q.Before = next
			}
			if !slices.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestLastPageThatIsFullHasNoCursor(t *testing.T) {
	s := openStore(t)
	want := backwards(putRuns(t, s, "shop", 4))
	if got, next := query(t, s, state.RunQuery{Limit: 4}); !slices.Equal(got, want) || next != "" {
		t.Errorf("got %v and cursor %q, want %v and none", got, next, want)
	}
	putRuns(t, s, "shop", 60)
	if got, next := query(t, s, state.RunQuery{}); len(got) != 50 || next != got[49] {
		t.Errorf("without a limit %d runs and cursor %q, want 50 and the last of them", len(got), next)
	}
}

func TestStacksWhoseNamesBeginAlikeDoNotMix(t *testing.T) {
	s := openStore(t)
	stacks := []string{"ap", "app", "app-2", "app2", "b"}
	ids := map[string][]string{}
	for range 3 {
		for _, name := range stacks {
			ids[name] = append(ids[name], putRuns(t, s, name, 1)...)
		}
	}
	for _, name := range stacks {
		update(t, s, func(tx *state.Tx) error {
			r := wholeRelease(name)
			if err := tx.PutRelease(r, []byte(name)); err != nil {
				return err
			}
			return tx.WentLive(r)
		})
	}
	for _, name := range stacks {
		if got, _ := query(t, s, state.RunQuery{Stack: name}); !slices.Equal(got, backwards(ids[name])) {
			t.Errorf("runs of %s: %v, want %v", name, got, backwards(ids[name]))
		}
		if got, _ := query(t, s, state.RunQuery{Stack: name, Before: ids[name][2]}); !slices.Equal(got, backwards(ids[name][:2])) {
			t.Errorf("older runs of %s: %v, want %v", name, got, backwards(ids[name][:2]))
		}
		releases := read(t, s, func(tx *state.Tx) ([]*state.Release, error) { return tx.Releases(name) })
		history := read(t, s, func(tx *state.Tx) ([]*state.Release, error) { return tx.LiveHistory(name) })
		for _, r := range slices.Concat(releases, history) {
			if r.Stack != name {
				t.Errorf("%s shows a release of %s", name, r.Stack)
			}
		}
		if len(releases) != 1 || len(history) != 1 {
			t.Errorf("%s has %d releases and went live %d times, want 1 and 1", name, len(releases), len(history))
		}
	}
	update(t, s, func(tx *state.Tx) error { return tx.DeleteRelease("app", "f00d") })
	for _, name := range []string{"ap", "app2"} {
		if got := read(t, s, func(tx *state.Tx) ([]byte, error) { return tx.Sealed(name, "f00d") }); string(got) != name {
			t.Errorf("the recipe of %s is %q after that of app was forgotten", name, got)
		}
	}
}
