package gitsync_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/go-git/go-git/v5"
	gitconfig "github.com/go-git/go-git/v5/config"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// What is measured against its floor: a large repository is one of 30,000
// files and 3,000 commits; a server with bitmaps keeps it as the big forges do.
const (
	largeFiles   = 30_000
	largeCommits = 3_000
)

// onLarge runs a benchmark on a large repository behind smart HTTP.
func onLarge(b *testing.B, run func(b *testing.B, repo *gittest.Repo, url string)) {
	for _, name := range []string{"plain", "bitmaps"} {
		b.Run(name, func(b *testing.B) {
			repo := gittest.NewLargeRepo(b, largeFiles, largeCommits)
			if name == "bitmaps" {
				repo.RepackBitmaps()
			}
			run(b, repo, gittest.Serve(b, repo).URL)
		})
	}
}

// BenchmarkFirstFetch clones the branch and reads a stack's files; the floor
// is go-git's own fetch of the branch's tip into a bare repository.
func BenchmarkFirstFetch(b *testing.B) {
	onLarge(b, func(b *testing.B, _ *gittest.Repo, url string) {
		var pairs pairs
		for b.Loop() {
			pairs.add(
				func() { firstFetch(b, filepath.Join(b.TempDir(), "m"), url) },
				func() { mustFetchByGoGit(b, bare(b, url)) })
		}
		pairs.report(b)
		b.ReportMetric(childPeak(b, "clone", url), "MiB/ours")
		b.ReportMetric(childPeak(b, "clone-by-go-git", url), "MiB/floor")
	})
}

// BenchmarkFetchOfOneChange fetches a push of one file; the floor is the same
// in a repository of ten files.
func BenchmarkFetchOfOneChange(b *testing.B) {
	onLarge(b, func(b *testing.B, repo *gittest.Repo, url string) {
		small := gittest.NewLargeRepo(b, 10, 3)
		ours, _ := open(b, gitsync.Remote{URL: url})
		floor, _ := open(b, gitsync.Remote{URL: gittest.Serve(b, small).URL})
		mustFetch(b, ours, "main")
		mustFetch(b, floor, "main")
		var pairs pairs
		for i := 0; b.Loop(); i++ {
			change(repo, i)
			change(small, i)
			pairs.add(func() { mustFetch(b, ours, "main") }, func() { mustFetch(b, floor, "main") })
		}
		pairs.report(b)
	})
}

// BenchmarkFetchOfNothing fetches where nothing was pushed; the floor is
// go-git's fetch that says so.
func BenchmarkFetchOfNothing(b *testing.B) {
	onLarge(b, func(b *testing.B, _ *gittest.Repo, url string) {
		m, dir := open(b, gitsync.Remote{URL: url})
		mustFetch(b, m, "main")
		theirs := bare(b, url)
		mustFetchByGoGit(b, theirs)
		for name, ours := range map[string]func(){
			"running": func() { mustFetch(b, m, "main") },
			"restarted": func() {
				m := gitsync.Open(dir, gitsync.Remote{URL: url})
				mustFetch(b, m, "main")
				m.Close()
			},
		} {
			b.Run(name, func(b *testing.B) {
				var pairs pairs
				for b.Loop() {
					pairs.add(ours, func() { mustFetchByGoGit(b, theirs) })
				}
				pairs.report(b)
			})
		}
	})
}

// BenchmarkFetchOfAnotherFolder fetches a push that does not concern the
// stack and finds that out; the floor is go-git's fetch that brings nothing.
func BenchmarkFetchOfAnotherFolder(b *testing.B) {
	onLarge(b, func(b *testing.B, repo *gittest.Repo, url string) {
		m, _ := open(b, gitsync.Remote{URL: url})
		before := mustFetch(b, m, "main")
		var pairs pairs
		for i := 0; b.Loop(); i++ {
			change(repo, i)
			theirs := bare(b, url)
			mustFetchByGoGit(b, theirs)
			pairs.add(func() {
				after := mustFetch(b, m, "main")
				if paths, err := gitsync.Diff(context.Background(), before, after); err != nil || len(paths) != 1 {
					b.Fatal(paths, err)
				}
				before = after
			}, func() { mustFetchByGoGit(b, theirs) })
		}
		pairs.report(b)
	})
}

// BenchmarkTidyingUp fetches a push into a mirror that is tidied up then; the
// floor is the same fetch without that.
func BenchmarkTidyingUp(b *testing.B) {
	onLarge(b, func(b *testing.B, repo *gittest.Repo, url string) {
		ours, _ := open(b, gitsync.Remote{URL: url})
		floor, _ := open(b, gitsync.Remote{URL: url})
		gitsync.SetMaxPacks(ours, 2)
		mustFetch(b, ours, "main")
		mustFetch(b, floor, "main")
		var pairs pairs
		for i := 0; b.Loop(); i++ {
			change(repo, i)
			pairs.add(func() { mustFetch(b, ours, "main") }, func() { mustFetch(b, floor, "main") })
		}
		pairs.report(b)
	})
}

func change(repo *gittest.Repo, i int) {
	repo.Commit("main", "change", gittest.Files{gittest.LargePath(7): gittest.Text(fmt.Sprint("change ", i))})
}

// firstFetch clones a repository and reads a stack's files.
func firstFetch(tb testing.TB, dir, url string) {
	tb.Helper()
	m := gitsync.Open(dir, gitsync.Remote{URL: url})
	s := mustFetch(tb, m, "main")
	for _, name := range []string{"compose.yaml", "pipeline.yaml", ".env.production"} {
		wantFile(tb, s, "stacks/web/"+name, "# "+name+"\n")
	}
	if err := m.Close(); err != nil {
		tb.Fatal(err)
	}
}

// bare makes a bare repository of go-git's own.
func bare(tb testing.TB, url string) *git.Repository {
	tb.Helper()
	r, err := git.PlainInit(filepath.Join(tb.TempDir(), "theirs"), true)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := r.CreateRemote(&gitconfig.RemoteConfig{Name: "origin", URLs: []string{url}}); err != nil {
		tb.Fatal(err)
	}
	return r
}

func mustFetchByGoGit(tb testing.TB, r *git.Repository) {
	tb.Helper()
	err := r.Fetch(&git.FetchOptions{Depth: 1, Tags: git.NoTags, RefSpecs: []gitconfig.RefSpec{"+refs/heads/main:refs/heads/main"}})
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		tb.Fatal(err)
	}
}

// pairs are times of what is measured, each with that of its floor just after.
type pairs struct{ ours, floor []time.Duration }

func (p *pairs) add(ours, floor func()) {
	p.ours, p.floor = append(p.ours, timed(ours)), append(p.floor, timed(floor))
}

func timed(work func()) time.Duration {
	started := time.Now()
	work()
	return time.Since(started)
}

// report gives the median of the ratios and of the times.
func (p *pairs) report(b *testing.B) {
	ratios := make([]float64, len(p.ours))
	for i := range p.ours {
		ratios[i] = float64(p.ours[i]) / float64(p.floor[i])
	}
	b.ReportMetric(median(ratios), "×floor")
	b.ReportMetric(float64(median(p.ours).Microseconds())/1000, "ms/ours")
	b.ReportMetric(float64(median(p.floor).Microseconds())/1000, "ms/floor")
	b.ReportMetric(0, "ns/op")
}

func median[T float64 | time.Duration](all []T) T {
	return slices.Sorted(slices.Values(all))[len(all)/2]
}

func BenchmarkReadAllFiles(b *testing.B) {
	repo := gittest.NewLargeRepo(b, 5_000, 1)
	m, _ := open(b, gitsync.Remote{URL: repo.URL()})
	for b.Loop() {
		s := mustFetch(b, m, "main")
		err := fs.WalkDir(s, ".", func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				_, err = s.ReadFile(path)
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDiffOfOneChange(b *testing.B) {
	repo := gittest.NewLargeRepo(b, 5_000, 1)
	m, _ := open(b, gitsync.Remote{URL: repo.URL()})
	first := mustFetch(b, m, "main").Commit
	change(repo, 1)
	second := mustFetch(b, m, "main").Commit
	ctx := context.Background()
	for b.Loop() {
		x, _ := m.Snapshot(ctx, first)
		y, _ := m.Snapshot(ctx, second)
		if paths, err := gitsync.Diff(ctx, x, y); len(paths) != 1 || err != nil {
			b.Fatal(paths, err)
		}
	}
}
