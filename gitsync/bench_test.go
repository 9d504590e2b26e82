package gitsync_test

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"deployer/gitsync"
	"deployer/gitsync/gittest"
)

// large is a repository of 5,000 files in 100 folders, packed as a forge does.
func large(b *testing.B) *gittest.Repo {
	b.Helper()
	files := gittest.Files{}
	for i := range 5000 {
		files[fmt.Sprintf("apps/%02d/conf/file-%04d.yaml", i%100, i)] = gittest.Text(fmt.Sprintf("%d\n%s", i, strings.Repeat("some: setting\n", 40)))
	}
	repo := gittest.NewRepo(b)
	repo.Commit("main", "first", files)
	for i := range 20 {
		repo.Commit("main", "change", gittest.Files{"apps/07/conf/file-0007.yaml": gittest.Text(fmt.Sprint(i))})
	}
	repo.RepackBitmaps()
	return repo
}

func BenchmarkFetch(b *testing.B) {
	repo := large(b)
	for name, url := range map[string]string{"http": gittest.Serve(b, repo).URL, "file": repo.URL()} {
		remote := gitsync.Remote{URL: url}
		b.Run(name+"/first", func(b *testing.B) {
			for range b.N {
				m := gitsync.Open(filepath.Join(b.TempDir(), "m"), remote)
				mustFetch(b, m, "main")
				m.Close()
			}
		})
		m, dir := open(b, remote)
		mustFetch(b, m, "main")
		b.Run(name+"/no change", func(b *testing.B) {
			for range b.N {
				mustFetch(b, m, "main")
			}
		})
		b.Run(name+"/no change after a restart", func(b *testing.B) {
			for range b.N {
				m := gitsync.Open(dir, remote)
				mustFetch(b, m, "main")
				m.Close()
			}
		})
		b.Run(name+"/one change", func(b *testing.B) {
			for i := range b.N {
				b.StopTimer()
				repo.Commit("main", "change", gittest.Files{"apps/42/conf/file-0042.yaml": gittest.Text(fmt.Sprint(name, b.N, i))})
				b.StartTimer()
				mustFetch(b, m, "main")
			}
		})
	}
}

func BenchmarkReadAllFiles(b *testing.B) {
	repo := large(b)
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
	repo := large(b)
	m, _ := open(b, gitsync.Remote{URL: repo.URL()})
	first := mustFetch(b, m, "main").Commit
	repo.Commit("main", "change", gittest.Files{"apps/42/conf/file-0042.yaml": gittest.Text("x")})
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
