package project

import (
	"bufio"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// childEnv makes the test's binary materialise below a folder, in a process of
// its own that waits to be killed.
const childEnv = "PROJECT_TEST_CHILD"

func TestChild(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("runs in a process that another test starts")
	}
	src := source(mixed(30), "S=s3cret")
	src.Roots = rootsIn(dir)
	p := mustLoad(t, src)
	_, _ = os.Stdout.WriteString("begins\n")
	mustMaterialise(t, src.Tree, p.Mounts)
	_, _ = os.Stdout.WriteString("ends\n")
	if _, err := Collect([]Roots{src.Roots}, nil); err != nil {
		t.Error(err)
	}
	if _, err := Collect([]Roots{src.Roots}, nil); err != nil {
		t.Error(err)
	}
	_, _ = os.Stdout.WriteString("collected\n")
	select {}
}

// A process that is killed while it materialises or collects leaves nothing
// half that the next one would take for whole, and nothing for ever.
func TestKilledAtAnyMoment(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))

	src := source(mixed(30), "S=s3cret")
	longest := killChild(t, t.TempDir(), 0)
	for range 10 {
		dir := t.TempDir()
		src.Roots = rootsIn(dir)
		killChild(t, dir, time.Duration(random.Int64N(int64(longest))))
		p := mustLoad(t, src)
		mustBeWhole(t, src, p.Mounts)
		mustMaterialise(t, src.Tree, p.Mounts)
		mustBeWhole(t, src, p.Mounts)
		if _, err := Collect([]Roots{src.Roots}, hosts(p.Mounts)); err != nil {
			t.Error(err)
		}
		mustBeTidy(t, dir)
		for _, m := range p.Mounts {
			if _, err := os.Stat(m.Host); err != nil {
				t.Error(err)
			}
		}
	}
}

// killChild kills a child after a while; after 0 when it has done all, and
// then it returns how long that took.
func killChild(t *testing.T, dir string, after time.Duration) time.Duration {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(os.Environ(), childEnv+"="+dir)
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
	wait := func(line string) {
		for lines.Scan() {
			if strings.Contains(lines.Text(), line) {
				return
			}
		}
		t.Fatalf("the child never said %q", line)
	}
	wait("begins")
	began := time.Now()
	if after > 0 {
		time.Sleep(after)
	} else {
		wait("collected")
	}
	return time.Since(began)
}
