package gitsync_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"deployer/gitsync"
)

// childEnv makes the test's binary do one piece of work in a process of its
// own: its name, the address that it is about, and a mirror's folder.
const childEnv = "GITSYNC_TEST_CHILD"

func child(work, url, dir string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	cmd.Env = append(os.Environ(), childEnv+"="+work+" "+url+" "+dir)
	return cmd
}

func TestChild(t *testing.T) {
	var work, url, dir string
	if n, _ := fmt.Sscan(os.Getenv(childEnv), &work, &url, &dir); n != 3 {
		t.Skip("runs in a process that other tests start")
	}
	switch work {
	case "clone":
		firstFetch(t, dir, url)
		tellMemory(t)
	case "clone-any":
		m := gitsync.Open(dir, gitsync.Remote{URL: url})
		mustFetch(t, m, "main")
		tellMemory(t)
	case "clone-by-go-git":
		mustFetchByGoGit(t, bare(t, url))
		tellMemory(t)
	case "fetch": // until it is killed
		m := gitsync.Open(dir, gitsync.Remote{URL: url})
		gitsync.SetMaxPacks(m, 2)
		fmt.Println(childBegins)
		_, err := m.Fetch(context.Background(), "main")
		fmt.Println(childEnds, err)
		select {}
	default:
		t.Fatal("unknown work " + work)
	}
}

// What a child says of its work.
const (
	childBegins = "fetch begins"
	childEnds   = "fetch ends:"
)

// waitFor reads what a child prints up to a line that begins like this.
func waitFor(t *testing.T, lines *bufio.Scanner, begin string) string {
	t.Helper()
	for lines.Scan() {
		if len(lines.Text()) >= len(begin) && lines.Text()[:len(begin)] == begin {
			return lines.Text()[len(begin):]
		}
	}
	t.Fatalf("the child never said %q", begin)
	return ""
}

func tellMemory(t *testing.T) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc: " + err.Error())
	}
	fmt.Println(string(status))
}

var peakLine = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB$`)

// childPeak does a piece of work in a process of its own, and returns how
// many MiB that had at its peak.
func childPeak(tb testing.TB, work, url string) float64 {
	tb.Helper()
	out, err := child(work, url, filepath.Join(tb.TempDir(), "m")).CombinedOutput()
	if err != nil {
		tb.Fatalf("%v: %s", err, out)
	}
	found := peakLine.FindSubmatch(out)
	if found == nil {
		tb.Fatalf("the child does not tell its peak: %s", out)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		tb.Fatal(err)
	}
	return float64(kib) / 1024
}
