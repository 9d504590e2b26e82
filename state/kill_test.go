package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"deployer/state"
)

// TestWorkThatIsKilled is what the process does that TestKilledAtEveryPoint kills.
func TestWorkThatIsKilled(t *testing.T) {
	path := os.Getenv("DEPLOYER_TEST_KILLED")
	if path == "" {
		t.Skip("it is the work of a process that TestKilledAtEveryPoint starts")
	}
	s, err := state.Open(path)
	must(t, err)
	for range 5 {
		id := putRuns(t, s, "shop", 1)[0]
		fmt.Println("stored", id)
		update(t, s, func(tx *state.Tx) error {
			run, err := tx.Run(id)
			if err != nil {
				return err
			}
			run.Status, run.Subject = state.RunCanceled, "over"
			return errors.Join(tx.PutRun(run), putDelivery(id, id)(tx))
		})
		fmt.Println("over", id)
	}
	_, err = s.Prune(context.Background(), state.Retention{Runs: 2, Age: 1000 * time.Hour}, noon)
	must(t, err)
	must(t, s.Close())
}

// A process that migrates a database, writes to it and prunes it is killed
// before and after each of its commits. What it had said to be stored is
// there, and what was there before is whole.
func TestKilledAtEveryPoint(t *testing.T) {
	program := filepath.Join(t.TempDir(), "killed.test")
	build := exec.Command("go", "test", "-c", "-tags", "crashpoints", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	runs := someRuns(40)
	attempt := func(at int) (path string, said, points []string, killed bool) {
		dir := t.TempDir()
		path, count := filepath.Join(dir, "deployer.db"), filepath.Join(dir, "points")
		schemaOne(t, path, runs)
		said, killed = work(t, program, path, count, at)
		return path, said, lines(t, count), killed
	}
	_, _, points, _ := attempt(0)
	if len(points) < 20 {
		t.Errorf("it came to %d points only", len(points))
	}
	for i, name := range points {
		t.Run(fmt.Sprintf("%d %s", i+1, name), func(t *testing.T) {
			path, said, passed, killed := attempt(i + 1)
			if !killed || !slices.Equal(passed, points[:i+1]) {
				t.Fatalf("killed %t after %q", killed, passed)
			}
			wantWhole(t, path, runs, said)
		})
	}
}

// work runs the process and returns what it said, and whether it was killed.
func work(t *testing.T, program, path, count string, at int) (said []string, killed bool) {
	t.Helper()
	cmd := exec.Command(program, "-test.run", "^TestWorkThatIsKilled$")
	cmd.Env = append(os.Environ(), "DEPLOYER_TEST_KILLED="+path, "DEPLOYER_CRASH_COUNT="+count, fmt.Sprintf("DEPLOYER_CRASH_AT=%d", at))
	out, err := cmd.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		killed = exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL
	}
	if err != nil && !killed {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(string(out), "\n"), killed
}

func lines(t *testing.T, path string) (all []string) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}

// wantWhole wants a killed process's database to open with what was in it, but
// for what it may have pruned, and with what it said of its own runs.
func wantWhole(t *testing.T, path string, old []*state.Run, said []string) {
	t.Helper()
	s, err := state.Open(path)
	must(t, err)
	defer s.Close()
	all, _ := query(t, s, state.RunQuery{Limit: 1000})
	pruned := len(all) < len(old)+countPrefix(said, "stored ")
	byStack := []string{}
	for _, stack := range []string{"shop", "blog"} {
		ids, _ := query(t, s, state.RunQuery{Stack: stack, Limit: 1000})
		byStack = append(byStack, ids...)
	}
	slices.Sort(byStack)
	if !slices.Equal(byStack, backwards(all)) {
		t.Errorf("%d runs are kept, %d found by their stack", len(all), len(byStack))
	}
	for _, r := range old {
		if !pruned && !slices.Contains(all, r.ID) {
			t.Errorf("run %s of the old database is lost", r.ID)
		}
		if found, _ := query(t, s, state.RunQuery{Commit: r.Commit}); slices.Contains(found, r.ID) != slices.Contains(all, r.ID) {
			t.Errorf("by its commit run %s is found: %t", r.ID, slices.Contains(found, r.ID))
		}
	}
	for _, line := range said {
		what, id, _ := strings.Cut(line, " ")
		if pruned || (what != "stored" && what != "over") {
			continue
		}
		got := read(t, s, func(tx *state.Tx) (*state.Run, error) { return tx.Run(id) })
		if what == "over" && got.Status != state.RunCanceled {
			t.Errorf("run %s was said to be over and is %s", id, got.Status)
		}
		view(t, s, func(tx *state.Tx) error { // stored with the run's end, and never without it
			wantDelivery(t, tx, id, got.Status == state.RunCanceled, id)
			return nil
		})
	}
	view(t, s, func(tx *state.Tx) error { // of the old database
		wantDelivery(t, tx, "d-1", true, "r-1")
		return nil
	})
	if pruned && !slices.Contains(said, "over "+lastStored(said)) {
		t.Error("runs are lost, and it had not begun to prune")
	}
}

func countPrefix(lines []string, prefix string) (n int) {
	for _, l := range lines {
		if strings.HasPrefix(l, prefix) {
			n++
		}
	}
	return n
}

func lastStored(said []string) (id string) {
	for _, l := range said {
		if found, ok := strings.CutPrefix(l, "stored "); ok {
			id = found
		}
	}
	return id
}
