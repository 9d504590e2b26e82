package compose

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestReadFile(t *testing.T) {
	r := newRig(t)
	started := time.Now().Add(-2 * time.Second)
	r.mustApply(r.resolve(`
services:
  web: {image: IMAGE, environment: {VERSION: "one", WRITE_FILE: /data/out}, volumes: [data:/data]}
  idle: {image: IMAGE, command: ["true"]}
volumes: {data: {}}
`))
	file, err := r.ReadFile(t.Context(), r.name, "web", "/data/out")
	if err != nil {
		t.Fatal(err)
	}
	if string(file.Content) != "one" || file.Mode != 0o644 || file.UID != 0 || file.Modified.Before(started) {
		t.Errorf("got %q, %v, of %d, at %s", file.Content, file.Mode, file.UID, file.Modified)
	}
	if err := r.Stop(t.Context(), r.name, "web"); err != nil {
		t.Fatal(err)
	}
	if file, err = r.ReadFile(t.Context(), r.name, "web", "/data/out"); err != nil || string(file.Content) != "one" {
		t.Errorf("of a stopped container: %q, %v", file.Content, err)
	}
	if file, err := r.ReadFile(t.Context(), r.name, "idle", "/testapp"); err != nil || file.Mode != 0o755 || len(file.Content) < 1<<20 {
		t.Errorf("a program of the image: %v, %v", file.Mode, err)
	}
}

func TestReadFileThatIsNotThere(t *testing.T) {
	r := newRig(t)
	r.mustApply(r.resolve("services: {web: {image: IMAGE}}"))
	if _, err := r.ReadFile(t.Context(), r.name, "web", "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := r.ReadFile(t.Context(), r.name, "web", "/tmp"); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	if _, err := r.ReadFile(t.Context(), r.name, "none", "/none"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no container: %v", err)
	}
}
