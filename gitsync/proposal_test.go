package gitsync_test

import (
	"errors"
	"io/fs"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

func proposal(t *testing.T, m *gitsync.Mirror, head string, refs ...string) *gitsync.Proposal {
	t.Helper()
	p, err := m.FetchProposal(t.Context(), "main", head, refs...)
	if err != nil {
		t.Fatal(told(err))
	}
	return p
}

func TestProposalIsTheForgesMergeElseTheHead(t *testing.T) {
	repo := gittest.NewRepo(t)
	base := repo.Commit("main", "base", gittest.Files{"a": gittest.Text("1"), "b": gittest.Text("1")})
	head := repo.CommitOn(base, "topic", "head", gittest.Files{"a": gittest.Text("2")})
	repo.Git("update-ref", "refs/pull/7/head", head)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	refs := []string{"refs/pull/7/merge", "refs/pull/7/head"}

	p := proposal(t, m, head, refs...)
	if p.Snapshot.Commit != head || p.Ref != refs[1] || p.Base.Commit != base || p.Behind {
		t.Errorf("without a merge: %s of %s, behind %t", p.Snapshot.Commit, p.Ref, p.Behind)
	}
	moved := repo.Commit("main", "moved", gittest.Files{"b": gittest.Text("2")})
	if p = proposal(t, m, head, refs...); !p.Behind || p.Base.Commit != moved {
		t.Errorf("the base has moved: behind %t, base %s", p.Behind, p.Base.Commit)
	}
	merge := repo.Git("-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "-p", moved, "-p", head, "-m", "merge",
		repo.Git("merge-tree", "--write-tree", moved, head))
	repo.Git("update-ref", refs[0], merge)
	p = proposal(t, m, head, refs...)
	if p.Snapshot.Commit != merge || p.Behind {
		t.Fatalf("the merge: %s, behind %t", p.Snapshot.Commit, p.Behind)
	}
	for name, want := range map[string]string{"a": "2", "b": "2"} {
		if text, err := fs.ReadFile(p.Snapshot, name); err != nil || string(text) != want {
			t.Errorf("%s of the merge: %q, %v", name, text, err)
		}
	}
	next := repo.CommitOn(head, "topic", "next", gittest.Files{"a": gittest.Text("3")})
	repo.Git("update-ref", refs[1], next)
	if p = proposal(t, m, next, refs...); p.Snapshot.Commit != next || !p.Behind {
		t.Errorf("the merge is of an older head: got %s, behind %t", p.Snapshot.Commit, p.Behind)
	}
	if _, err := m.FetchProposal(t.Context(), "main", "", "refs/pull/8/merge"); !errors.Is(err, gitsync.ErrNotFound) {
		t.Errorf("a pull request that is gone: %v", err)
	}
	if s := mustFetch(t, m, "main"); s.Commit != moved {
		t.Errorf("afterwards the branch is at %s", s.Commit)
	}
}

// A mirror that is a single commit deep still tells whether a head contains it.
func TestProposalWithHistoryOfItsOwn(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "one", gittest.Files{"a": gittest.Text("1")})
	tip := repo.Commit("main", "two", gittest.Files{"a": gittest.Text("2")})
	head := tip
	for _, text := range []string{"3", "4", "1"} { // the last is content from below the cut
		head = repo.CommitOn(head, "topic", text, gittest.Files{"a": gittest.Text(text)})
	}
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	mustFetch(t, m, "main")
	p := proposal(t, m, head, "refs/heads/topic")
	if text, err := fs.ReadFile(p.Snapshot, "a"); p.Behind || err != nil || string(text) != "1" {
		t.Errorf("behind %t, %q, %v", p.Behind, text, err)
	}
}
