package enginetest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

//go:embed testapp/main.go
var source []byte

// Image imports an image of testapp and returns its name; each call makes one
// with an ID of its own, which is removed when the test is over. Changes are
// instructions of a Dockerfile: `ENV VERSION=2`, `HEALTHCHECK …`.
func Image(t testing.TB, c *client.Client, changes ...string) string {
	t.Helper()
	program, err := build()
	if err != nil {
		t.Fatalf("build testapp: %v", err)
	}
	return load(t, c, "app", archive(map[string][]byte{"testapp": program}), append([]string{`ENTRYPOINT ["/testapp"]`}, changes...))
}

// ToolImage imports an image of a real program, which scripts/tool builds, and
// of files by their paths in it, and returns its name. The program is in the
// PATH and is removed with the image when the test is over.
func ToolImage(t testing.TB, c *client.Client, tool string, files map[string][]byte, changes ...string) string {
	t.Helper()
	program, err := os.ReadFile(Tool(t, tool))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"usr/local/bin/" + tool: program}
	maps.Copy(all, files)
	return load(t, c, tool, archive(all), append([]string{"ENV PATH=/usr/local/bin"}, changes...))
}

// ProgramImage imports an image of one static program at /program, which is
// removed when the test is over.
func ProgramImage(t testing.TB, c *client.Client, path string, changes ...string) string {
	t.Helper()
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return load(t, c, "program", archive(map[string][]byte{"program": program}), append([]string{`ENTRYPOINT ["/program"]`}, changes...))
}

// load imports an archive as an image of its own until the test is over.
func load(t testing.TB, c *client.Client, kind string, content io.Reader, changes []string) string {
	t.Helper()
	name := Prefix + "image/" + kind + ":" + random()
	resp, err := c.ImageImport(t.Context(), image.ImportSource{Source: content, SourceName: "-"}, name,
		image.ImportOptions{Changes: append([]string{"LABEL deployer.test=" + name}, changes...)})
	if err != nil {
		t.Fatalf("import %s: %v", name, err)
	}
	defer resp.Close()
	if _, err := io.Copy(io.Discard, resp); err != nil {
		t.Fatalf("import %s: %v", name, err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		_, err := c.ImageRemove(ctx, ID(t, c, name), image.RemoveOptions{Force: true})
		if err != nil && !cerrdefs.IsNotFound(err) {
			t.Errorf("remove image %s: %v", name, err)
		}
	})
	return name
}

// ID returns the ID of a local image, or the name itself where it is gone.
func ID(t testing.TB, c *client.Client, name string) string {
	t.Helper()
	inspected, err := c.ImageInspect(context.WithoutCancel(t.Context()), name)
	if err != nil {
		return name
	}
	return inspected.ID
}

func archive(files map[string][]byte) io.Reader {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	// Writing to a buffer cannot fail; Close says so where the header was wrong.
	_ = w.WriteHeader(&tar.Header{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(files[name]))})
		_, _ = w.Write(files[name])
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return &out
}

// build returns the static testapp binary, built once for each version of its
// source and kept in the user's cache folder.
var build = sync.OnceValues(func() ([]byte, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(cache, "deployer-test")
	binary := filepath.Join(dir, fmt.Sprintf("testapp-%x", sha256.Sum256(source)))
	if data, err := os.ReadFile(binary); err == nil {
		return data, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "main.go"), source, 0o644); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", "testapp", "main.go")
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	if err := os.Rename(filepath.Join(work, "testapp"), binary); err != nil {
		return nil, err
	}
	return os.ReadFile(binary)
})
