package check

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"

	"deployer/state"
)

// diskCheck wants room in a folder of the Engine's host, or where a volume is.
type diskCheck struct {
	Path    text `check:"path"`
	Volume  text `check:"volume"` // of the compose file
	MinFree size `check:"min_free"`
	MaxUsed size `check:"max_used"` // by the volume; the Engine walks it for that
}

func newDisk() Check { return &diskCheck{MinFree: 1 << 30} }

func (c *diskCheck) validate() error {
	switch {
	case c.Path.plain != "" && c.Volume.plain != "":
		return errors.New("takes path or volume, not both")
	case c.Path.plain != "" && !filepath.IsAbs(c.Path.plain):
		return fmt.Errorf("path: %q is not absolute", c.Path)
	case c.MaxUsed > 0 && c.Volume.plain == "":
		return errors.New("max_used is of a volume: name it in `volume`")
	}
	return nil
}

func (c *diskCheck) Run(ctx context.Context, w *World) Result {
	if w.Engine == nil {
		return skipped("no Engine is reached from here")
	}
	info, err := w.Engine.Info(ctx)
	if err != nil {
		return failed("the Engine does not answer: "+reason(err), "see that Docker runs on the target")
	}
	var used Result
	if c.MaxUsed > 0 {
		if used = c.used(ctx, w); used.Status != state.StepPassed {
			return used
		}
	}
	folder, about := c.Path.plain, ""
	if folder == "" {
		if folder, about, err = c.volume(w, info.RootDir); err != nil {
			return failed(err.Error(), "correct `volume`")
		}
	}
	if folder == "" || info.FreeBytes < 0 {
		return warned(strings.TrimSpace("not proven: "+about+" is not visible from here"),
			fmt.Sprintf("see on the target that there are at least %s free", c.MinFree))
	}
	r := c.look(folder, about)
	if c.MaxUsed > 0 {
		r.Message, r.Measured = used.Message+"; "+r.Message, used.Measured
	}
	return r
}

// used measures what lies in the volume.
func (c *diskCheck) used(ctx context.Context, w *World) Result {
	if w.Project == nil || w.Project.Compose == nil {
		return failed("there is no project to look for the volume in", "correct `volume`")
	}
	v, ok := w.Project.Compose.Volumes[c.Volume.plain]
	if !ok {
		return failed(fmt.Sprintf("the compose files have no volume %q: they have %s", c.Volume, strings.Join(sortedKeys(w.Project.Compose.Volumes), ", ")), "correct `volume`")
	}
	bytes, err := w.Engine.VolumeUse(ctx, v.Name)
	if err != nil {
		return failed(fmt.Sprintf("volume %s is not measured: %s", c.Volume, reason(err)), "see that the volume exists and that Docker runs on the target")
	}
	r := passed(fmt.Sprintf("volume %s holds %s", c.Volume, size(bytes)))
	if size(bytes) > c.MaxUsed {
		r = failed(fmt.Sprintf("%s, want at most %s", r.Message, c.MaxUsed), "remove what is not needed in it (a registry: delete old tags, then collect garbage), or raise max_used")
	}
	r.Measured = &state.Measure{Name: "volume_used_bytes", Value: float64(bytes)}
	return r
}

// volume is the folder of the host that a volume lies in; empty where only
// its driver knows.
func (c *diskCheck) volume(w *World, root string) (folder, about string, err error) {
	if c.Volume.plain == "" {
		return filepath.Join(root, "volumes"), "the folder of volumes", nil
	}
	if w.Project == nil || w.Project.Compose == nil {
		return "", "", errors.New("there is no project to look for the volume in")
	}
	v, ok := w.Project.Compose.Volumes[c.Volume.plain]
	if !ok {
		return "", "", fmt.Errorf("the compose files have no volume %q: they have %s", c.Volume, strings.Join(sortedKeys(w.Project.Compose.Volumes), ", "))
	}
	about = "volume " + c.Volume.String()
	switch {
	case v.Driver != "" && v.Driver != "local":
		return "", about, nil
	case v.DriverOpts["type"] == "none" || v.DriverOpts["o"] == "bind":
		return v.DriverOpts["device"], about, nil
	case v.DriverOpts["device"] != "":
		return "", about, nil
	}
	return filepath.Join(root, "volumes"), about, nil
}

// look measures the folder, or the nearest one above that exists.
func (c *diskCheck) look(folder, about string) Result {
	var fs syscall.Statfs_t
	at := folder
	err := syscall.Statfs(at, &fs)
	for errors.Is(err, syscall.ENOENT) && at != "/" {
		at = filepath.Dir(at)
		err = syscall.Statfs(at, &fs)
	}
	if about == "" {
		about = folder
	}
	if err != nil {
		return failed(fmt.Sprintf("%s cannot be looked at: %s", at, err), "see that the folder is there and that deployer may reach it")
	}
	free := size(int64(fs.Bavail) * int64(fs.Bsize)) //nolint:unconvert // narrower on other architectures
	evidence := fmt.Sprintf("%s has %s free in %s", about, free, at)
	if free < c.MinFree {
		return failed(fmt.Sprintf("%s, want %s", evidence, c.MinFree), "make room: docker system df and du -xh show what takes it")
	}
	if fs.Files > 0 && fs.Ffree < fs.Files/100 {
		return failed(evidence+", but no room for new files: its inodes are used up", "remove what consists of many small files; df -i shows where they are")
	}
	r := passed(evidence)
	r.Measured = &state.Measure{Name: "disk_free_bytes", Value: float64(free)}
	return r
}
