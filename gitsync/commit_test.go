package gitsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// history makes a branch of n commits whose file "a" holds their number, and
// returns their ids.
func history(repo *gittest.Repo, branch string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = repo.Commit(branch, fmt.Sprint(i), gittest.Files{"a": gittest.Text(fmt.Sprint(i)), "b": gittest.Text("same")})
	}
	return ids
}

func TestFetchCommit(t *testing.T) {
	ctx := context.Background()
	for name, configure := range map[string]func(*gittest.Repo){
		"plain server":            func(*gittest.Repo) {},
		"exact commits":           func(r *gittest.Repo) { r.Config("uploadpack.allowReachableSHA1InWant", "true") },
		"any object":              func(r *gittest.Repo) { r.Config("uploadpack.allowAnySHA1InWant", "true") },
		"without files":           func(r *gittest.Repo) { r.Config("uploadpack.allowFilter", "true") },
		"like a big forge's":      forge,
		"bitmaps and big forge's": func(r *gittest.Repo) { forge(r); r.RepackBitmaps() },
	} {
		t.Run(name, func(t *testing.T) {
			repo := gittest.NewRepo(t)
			ids := history(repo, "main", 6)
			side := repo.CommitOn(ids[2], "side", "side", gittest.Files{"a": gittest.Text("side")})
			gone := repo.CommitOn(ids[2], "gone", "gone", gittest.Files{"a": gittest.Text("gone")})
			repo.Delete("gone")
			configure(repo)
			server := gittest.Serve(t, repo)
			m, _ := open(t, gitsync.Remote{URL: server.URL})

			for _, i := range []int{1, 4, 5, 0} {
				s, err := m.FetchCommit(ctx, "main", ids[i])
				if err != nil {
					t.Fatal(err)
				}
				if s.Commit != ids[i] {
					t.Errorf("got %s, want %s", s.Commit, ids[i])
				}
				wantFile(t, s, "a", fmt.Sprint(i))
				wantFile(t, s, "b", "same")
			}
			before := server.Requests()
			if _, err := m.FetchCommit(ctx, "main", ids[1]); err != nil {
				t.Error(err)
			}
			if n := server.Requests() - before; n != 0 {
				t.Errorf("%d requests for a commit that is known", n)
			}

			mustFetch(t, m, "side")
			for what, id := range map[string]string{"on another branch": side, "deleted": gone, "unknown": strings.Repeat("1", 40)} {
				if _, err := m.FetchCommit(ctx, "main", id); !errors.Is(err, gitsync.ErrNotOnBranch) {
					t.Errorf("commit %s: %v, want ErrNotOnBranch", what, err)
				}
			}
			repo.Reset("main", ids[3])
			mustFetch(t, m, "main")
			if _, err := m.FetchCommit(ctx, "main", ids[5]); !errors.Is(err, gitsync.ErrNotOnBranch) {
				t.Errorf("commit that was taken off the branch: %v, want ErrNotOnBranch", err)
			}
			if _, err := m.Snapshot(ctx, ids[5]); err != nil {
				t.Errorf("it is still in the mirror: %v", err)
			}
		})
	}
}

// forge is what GitHub and GitLab allow.
func forge(r *gittest.Repo) {
	r.Config("uploadpack.allowFilter", "true")
	r.Config("uploadpack.allowTipSHA1InWant", "true")
	r.Config("uploadpack.allowReachableSHA1InWant", "true")
}

func TestFetchCommitWithoutGitInstalled(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 3)
	t.Setenv("PATH", t.TempDir())
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	s, err := m.FetchCommit(context.Background(), "main", ids[1])
	if err != nil {
		t.Fatal(err)
	}
	wantFile(t, s, "a", "1")
}

func TestFetchCommitFarBackInALongHistory(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 12)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	gitsync.SetDeepen(m, 5)
	for _, i := range []int{8, 2} {
		s, err := m.FetchCommit(context.Background(), "main", ids[i])
		if err != nil {
			t.Fatal(err)
		}
		wantFile(t, s, "a", fmt.Sprint(i))
	}
}

func TestSnapshotOfACommitThatIsNotThere(t *testing.T) {
	repo := gittest.NewRepo(t)
	ids := history(repo, "main", 2)
	m, _ := open(t, gitsync.Remote{URL: repo.URL()})
	check := func(id string) {
		t.Helper()
		if _, err := m.Snapshot(context.Background(), id); !errors.Is(err, gitsync.ErrNotFound) {
			t.Errorf("Snapshot(%q): %v, want ErrNotFound", id, err)
		}
	}
	check(ids[1])
	mustFetch(t, m, "main")
	for _, id := range []string{ids[0], "", "main", ids[1][:12], "../../../../etc/passwd"} {
		check(id)
	}
	if _, err := m.Snapshot(context.Background(), ids[1]); err != nil {
		t.Error(err)
	}
}
