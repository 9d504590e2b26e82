package producttest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

var (
	builds  sync.Mutex
	built   = map[string]build{} // by how they were built
	scratch string               // folder that holds them
)

// A build is a binary, or why there is none.
type build struct {
	path string
	err  error
}

// Main runs the tests of a package and removes the binaries that they built.
func Main(m *testing.M) int {
	defer func() { _ = os.RemoveAll(scratch) }()
	return m.Run()
}

// stripped is how the Makefile links it.
const stripped = "-s -w"

// Binary returns the path of deployer, built with these tags. What is built
// the same way is built once; a package whose tests call it has a TestMain that
// calls Main.
func Binary(t testing.TB, tags ...string) string {
	t.Helper()
	return binary(t, "-tags", strings.Join(tags, ","), "-ldflags", stripped)
}

// Versioned is Binary of a release that calls itself so.
func Versioned(t testing.TB, version string) string {
	t.Helper()
	return binary(t, "-ldflags", stripped+" -X main.version="+version)
}

func binary(t testing.TB, flags ...string) string {
	t.Helper()
	builds.Lock()
	defer builds.Unlock()
	key := strings.Join(flags, " ")
	b, ok := built[key]
	if !ok {
		b.path, b.err = compile(flags, len(built))
		built[key] = b
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

func compile(flags []string, n int) (path string, err error) {
	if scratch == "" {
		if scratch, err = os.MkdirTemp("", "deployer-product-"); err != nil {
			return "", err
		}
	}
	path = filepath.Join(scratch, fmt.Sprintf("deployer-%d", n))
	build := exec.Command("go", append(append([]string{"build"}, flags...), "-o", path, "deployer/cmd/deployer")...)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build deployer: %w\n%s", err, out)
	}
	return path, nil
}
