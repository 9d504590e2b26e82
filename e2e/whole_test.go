package e2e

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

// mustRunOnly makes sure that the Engine holds the live release, and nothing
// that is left over from how it came there.
func (c *course) mustRunOnly(live, what string) {
	c.t.Helper()
	if got := c.Environment("web")["VERSION"]; got != c.version[live] {
		c.t.Fatalf("%s: web runs version %q, want %q", what, got, c.version[live])
	}
	ctx := c.t.Context()
	var found []string
	named := filters.NewArgs(filters.Arg("name", c.Stack))
	containers, err := c.Engine.ContainerList(ctx, container.ListOptions{All: true, Filters: named})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range containers {
		found = append(found, strings.TrimPrefix(x.Names[0], "/"+c.Stack)+" "+x.State)
	}
	networks, err := c.Engine.NetworkList(ctx, network.ListOptions{Filters: named})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range networks {
		found = append(found, strings.TrimPrefix(x.Name, c.Stack))
	}
	volumes, err := c.Engine.VolumeList(ctx, volume.ListOptions{Filters: named})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range volumes.Volumes {
		found = append(found, strings.TrimPrefix(x.Name, c.Stack))
	}
	slices.Sort(found)
	if want := []string{"-other-1 running", "-web-1 running", "_data", "_default"}; !slices.Equal(found, want) {
		c.t.Fatalf("%s: the Engine holds %v, want %v", what, found, want)
	}
}

// mustBeSound looks, while no server runs, at the database and for temporary files.
func (c *course) mustBeSound(what string) {
	c.t.Helper()
	db, err := bolt.Open(c.Path("data/deployer.db"), 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		c.t.Fatalf("%s: %v", what, err)
	}
	err = db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			c.t.Errorf("%s: the database: %v", what, err)
		}
		return nil
	})
	if err := db.Close(); err != nil {
		c.t.Error(err)
	}
	if err != nil {
		c.t.Errorf("%s: %v", what, err)
	}
	for _, root := range []string{c.Path("data"), c.Path("tmp"), c.Memory} {
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !temporary(d.Name()) {
				return nil
			}
			// The next fetch removes what a mirror was writing.
			if strings.HasPrefix(d.Name(), "incoming-") && !c.left[path] {
				c.left[path] = true
				return nil
			}
			c.t.Errorf("%s: %s is left over", what, path)
			return nil
		})
	}
	stages, _ := filepath.Glob("/dev/shm/deployer-compose-*")
	for _, path := range stages {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(path), "deployer-compose-%d-", &pid); err == nil && c.pids[pid] {
			c.t.Errorf("%s: %s is left over", what, path)
		}
	}
}

// temporary knows the names that files bear while they are written.
func temporary(name string) bool {
	return strings.HasPrefix(name, ".") || strings.Contains(name, ".new-") || strings.Contains(name, "tmp_") || strings.HasPrefix(name, "incoming")
}

// mustHideSecrets looks for the secrets of all trials on the disk.
func (c *course) mustHideSecrets() {
	c.t.Helper()
	canaries := map[string]string{}
	for n := range c.pushes {
		canaries[fmt.Sprintf("the env of push %d", n+1)] = fmt.Sprintf("canary-of-the-env-%d", n+1)
	}
	for name, secret := range c.Keys {
		canaries[name] = secret
	}
	h := newHunt(c.t, canaries)
	if files := h.folders(func(string) bool { return false }, c.Path("data"), c.Path("tmp")); files < 5 {
		c.t.Errorf("only %d files were looked at", files)
	}
	h.look("the server's log", c.Log.String())
}
