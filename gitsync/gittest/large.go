package gittest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"
)

// NewLargeRepo makes a repository whose branch main has the given number of
// commits, of which the first adds the files and each of the others changes
// one. A file is a kilobyte of text below apps/<three digits>/conf; the stack
// is in stacks/web.
func NewLargeRepo(tb testing.TB, files, commits int) *Repo {
	tb.Helper()
	r := NewRepo(tb)
	var in bytes.Buffer
	for n := range commits {
		when := epoch.Add(time.Duration(n) * time.Minute).Unix()
		fmt.Fprintf(&in, "commit refs/heads/main\ncommitter Test Author <author@example.com> %d +0000\ndata 8\nchange \n\n", when)
		if n > 0 {
			largeFile(n*7919%files, n).write(&in, LargePath(n*7919%files))
			continue
		}
		for i := range files {
			largeFile(i, 0).write(&in, LargePath(i))
		}
		for _, name := range []string{"compose.yaml", "pipeline.yaml", ".env.production"} {
			Text("# "+name+"\n").write(&in, "stacks/web/"+name)
		}
	}
	in.WriteString("done\n")
	cmd := r.git("fast-import", "--quiet", "--done")
	cmd.Stdin = &in
	r.must(cmd)
	r.commits = commits
	return r
}

// LargePath is the path of one of the files of a large repository.
func LargePath(i int) string { return fmt.Sprintf("apps/%03d/conf/file-%05d.yaml", i%500, i) }

func largeFile(i, version int) File {
	var text strings.Builder
	for line := range 30 {
		fmt.Fprintf(&text, "setting-%d: %x\n", line, uint32(i*31+line*17+1)*2654435761)
	}
	fmt.Fprintf(&text, "version: %d\n", version)
	return Text(text.String())
}
