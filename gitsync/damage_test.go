package gitsync_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// files lists the regular files below a folder whose path matches.
func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if ok, _ := filepath.Match(pattern, d.Name()); err == nil && ok && d.Type().IsRegular() {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatalf("no %s in %s", pattern, dir)
	}
	return found
}

func truncate(t *testing.T, size int64, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.Chmod(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamagedMirrorHeals(t *testing.T) {
	repo := gittest.NewRepo(t)
	first := repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "b/c": gittest.Text("c")})
	second := repo.Commit("main", "second", gittest.Files{"a": gittest.Text("2")})
	remote := gitsync.Remote{URL: repo.URL()}
	for name, harm := range map[string]func(t *testing.T, dir string){
		"empty branch": func(t *testing.T, dir string) { truncate(t, 0, filepath.Join(dir, "refs/heads/main")) },
		"empty kept":   func(t *testing.T, dir string) { truncate(t, 0, files(t, filepath.Join(dir, "refs/deployer"), "*")...) },
		"garbled branch": func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "refs/heads/main"), []byte("nonsense\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"empty packs":  func(t *testing.T, dir string) { truncate(t, 0, files(t, dir, "*.pack")...) },
		"cut packs":    func(t *testing.T, dir string) { truncate(t, 100, files(t, dir, "*.pack")...) },
		"one cut pack": func(t *testing.T, dir string) { truncate(t, 100, files(t, dir, "*.pack")[0]) },
		"empty index":  func(t *testing.T, dir string) { truncate(t, 0, files(t, dir, "*.idx")...) },
		"no index":     func(t *testing.T, dir string) { remove(t, files(t, dir, "*.idx")...) },
		"no packs": func(t *testing.T, dir string) {
			remove(t, append(files(t, dir, "*.pack"), files(t, dir, "*.idx")...)...)
		},
		"one pack gone": func(t *testing.T, dir string) {
			remove(t, files(t, dir, "*.pack")[0], files(t, dir, "*.idx")[0])
		},
		"no HEAD":      func(t *testing.T, dir string) { remove(t, filepath.Join(dir, "HEAD")) },
		"empty config": func(t *testing.T, dir string) { truncate(t, 0, filepath.Join(dir, "config")) },
		"all gone":     func(t *testing.T, dir string) { remove(t, dir) },
		"a file in its place": func(t *testing.T, dir string) {
			remove(t, dir)
			if err := os.WriteFile(dir, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, restarted := range []bool{false, true} {
			t.Run(name+map[bool]string{true: " and restarted"}[restarted], func(t *testing.T) {
				m, dir := open(t, remote)
				repo.Reset("main", first)
				mustFetch(t, m, "main")
				repo.Reset("main", second)
				mustFetch(t, m, "main")
				if err := m.Keep(first, second); err != nil {
					t.Fatal(err)
				}

				harm(t, dir)
				if restarted {
					m = gitsync.Open(dir, remote)
					defer m.Close()
				}
				s := mustFetch(t, m, "main")
				if s.Commit != second {
					t.Fatalf("got %s, want %s", s.Commit, second)
				}
				wantFile(t, s, "a", "2")
				wantFile(t, s, "b/c", "c")
				repo.Git("--git-dir="+dir, "fsck", "--strict")
				if leftovers, _ := filepath.Glob(dir + ".*"); len(leftovers) > 0 {
					t.Errorf("left behind: %q", leftovers)
				}
			})
		}
	}
}

func remove(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageWhileReadingIsSaidAndHeals(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1")})
	m, dir := open(t, gitsync.Remote{URL: repo.URL()})
	s := mustFetch(t, m, "main")
	truncate(t, 40, files(t, dir, "*.pack")...)
	if _, err := s.ReadFile("a"); !gitsync.Retryable(err) {
		t.Errorf("got %v, want a retryable error", err)
	}
	mustFetch(t, m, "main")
	wantFile(t, s, "a", "1")
}

func TestConcurrentFetchAndRead(t *testing.T) {
	repo := gittest.NewRepo(t)
	repo.Commit("main", "first", gittest.Files{"a": gittest.Text("1"), "b/c": gittest.Text("c")})
	m, _ := open(t, gitsync.Remote{URL: gittest.Serve(t, repo).URL})
	gitsync.SetMaxPacks(m, 2)
	first := mustFetch(t, m, "main")

	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				wantFile(t, first, "a", "1")
				s, err := m.Fetch(context.Background(), "main")
				if err != nil {
					t.Error(err)
					return
				}
				wantFile(t, s, "b/c", "c")
				if _, err := gitsync.Diff(context.Background(), first, s); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 8 {
		repo.Commit("main", "change", gittest.Files{"a": gittest.Text(t.Name() + repo.Tip("main"))})
	}
	close(done)
	wg.Wait()
}
