package pipeline

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// BackupOptions say which volumes of the stack are backed up, to where and when.
type BackupOptions struct {
	Volumes      []string `yaml:"volumes"`  // keys of the compose file, or names on the Engine
	To           string   `yaml:"to"`       // folder on deployer's host
	Schedule     string   `yaml:"schedule"` // "0 3 * * *", with a time zone behind it where it is not UTC
	KeepDays     int      `yaml:"keep_days"`
	BeforeDeploy bool     `yaml:"before_deploy"`
	Mode         string   `yaml:"mode"` // paused, stopped, running
}

// What becomes of the services that mount a volume while it is read.
const (
	modePaused  = "paused"
	modeStopped = "stopped"
	modeRunning = "running"
)

// systemFolders are no places for backups, whoever writes pipeline.yaml.
var systemFolders = []string{"/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/usr"}

func (b *BackupOptions) mode() string {
	if b.Mode == "" {
		return modePaused
	}
	return b.Mode
}

func (b *BackupOptions) validate() error {
	if b == nil {
		return nil
	}
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("backup."+format, args...)) }
	if len(b.Volumes) == 0 {
		wrong("volumes: name at least one volume of the compose file")
	}
	for i, v := range b.Volumes {
		if v == "" || slices.Contains(b.Volumes[:i], v) {
			wrong("volumes[%d]: %q is empty, or named twice", i, v)
		}
	}
	switch {
	case !filepath.IsAbs(b.To) || filepath.Clean(b.To) != strings.TrimSuffix(b.To, "/") || b.To == "/":
		wrong("to: %q is not an absolute path of a folder: write it like /backups/registry", b.To)
	case slices.ContainsFunc(systemFolders, func(f string) bool { return isBelow(b.To, f) }):
		wrong("to: %s belongs to the system: choose a folder of your own, like /backups/registry", b.To)
	}
	if b.Schedule != "" {
		if _, err := ParseSchedule(b.Schedule); err != nil {
			wrong("schedule: %w", err)
		}
	}
	if b.KeepDays < 0 || b.KeepDays > 36500 {
		wrong("keep_days: %d is not a number of days; 0 keeps all", b.KeepDays)
	}
	if !slices.Contains([]string{"", modePaused, modeStopped, modeRunning}, b.Mode) {
		wrong("mode: %q is not one of [paused stopped running]", b.Mode)
	}
	return errors.Join(errs...)
}

// isBelow reports whether a path is a folder, or lies in it.
func isBelow(name, folder string) bool {
	name, folder = filepath.Clean(name), filepath.Clean(folder)
	return name == folder || strings.HasPrefix(name, strings.TrimSuffix(folder, "/")+"/")
}
