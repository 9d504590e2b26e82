package gitsync_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// A process that is killed while it fetches, tidies up or builds the mirror
// anew leaves one that the next process can use: what is kept is there, what
// was begun is not.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // moments, not secrets

	repo := gittest.NewRepo(t)
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("first"), "noise": gittest.Text(noise(1<<20, 1))})
	url := gittest.Serve(t, repo).URL
	m, dir := open(t, gitsync.Remote{URL: url})
	mustFetch(t, m, "main")
	mustKeep(t, m, first)
	m.Close()

	var longest time.Duration
	for round := range 12 {
		content := fmt.Sprint("round ", round)
		tip := repo.CommitOn([]string{"refs/heads/main", ""}[random.IntN(2)], "main", content, gittest.Files{
			"a": gittest.Text(content), "noise": gittest.Text(noise(300<<10, uint32(round+2)))})
		if round%3 == 2 { // as a power cut would leave it
			truncate(t, 0, filepath.Join(dir, "refs", "heads", "main"))
		}
		if round < 3 { // one of each kind, to know how long they take
			longest = max(longest, killFetch(t, url, dir, 0))
		} else {
			killFetch(t, url, dir, 1+time.Duration(random.Int64N(int64(longest))))
		}

		m := gitsync.Open(dir, gitsync.Remote{URL: url})
		s := mustFetch(t, m, "main")
		if s.Commit != tip {
			t.Fatalf("round %d: got %s, want %s", round, s.Commit, tip)
		}
		wantFile(t, s, "a", content)
		s, err := m.Snapshot(context.Background(), first)
		if err != nil {
			t.Fatalf("round %d: what is kept: %v", round, err)
		}
		wantFile(t, s, "a", "first")
		m.Close()
		for _, pattern := range []string{dir + ".*", dir + "/objects/pack/incoming-*"} {
			if left, _ := filepath.Glob(pattern); len(left) > 0 {
				t.Errorf("round %d: left behind %q", round, left)
			}
		}
		repo.Git("--git-dir="+dir, "fsck", "--strict")
	}
}

// killFetch lets a process fetch and kills it after a while; after 0 when it
// has fetched, and then it returns how long that took.
func killFetch(t *testing.T, url, dir string, after time.Duration) time.Duration {
	t.Helper()
	cmd := child("fetch", url, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	waitFor(t, lines, childBegins)
	began := time.Now()
	if after > 0 {
		time.Sleep(after)
	} else if said := waitFor(t, lines, childEnds); said != " <nil>" {
		t.Fatal(said)
	}
	return time.Since(began)
}
