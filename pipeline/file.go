package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/goccy/go-yaml"

	"deployer/pipeline/check"
	"deployer/project"
)

// FileName is what the pipeline's description is called, beside the compose file.
const FileName = "pipeline.yaml"

// usualEnv is the env file of a stack that names none.
const usualEnv = ".env.production"

const (
	maxFile    = 1 << 20 // bytes
	minMonitor = time.Second
)

// A File is pipeline.yaml: what runs and how it is checked. It is reviewed
// and versioned with the stack.
type File struct {
	Compose      []string           `yaml:"compose"`
	Profiles     []string           `yaml:"profiles"`
	EnvFile      string             `yaml:"env_file"`
	EnvExample   string             `yaml:"env_example"`
	Paths        []string           `yaml:"paths"`
	Environments map[string]Overlay `yaml:"environments"`
	Preflight    []check.Spec       `yaml:"preflight"`
	Deploy       DeployOptions      `yaml:"deploy"`
	Verify       []check.Spec       `yaml:"verify"`
	Rollback     RollbackOptions    `yaml:"rollback"`

	Backup  *BackupOptions `yaml:"backup"`
	Monitor *Monitor       `yaml:"monitor"` // nil: none
}

// An Overlay is what another environment of the same stack has of its own.
type Overlay struct {
	Compose    []string       `yaml:"compose"`
	Profiles   []string       `yaml:"profiles"`
	EnvFile    string         `yaml:"env_file"`
	EnvExample string         `yaml:"env_example"`
	Preflight  []check.Spec   `yaml:"preflight"`
	Verify     []check.Spec   `yaml:"verify"`
	Backup     *BackupOptions `yaml:"backup"`
	Monitor    *Monitor       `yaml:"monitor"`
}

// A Monitor is what looks at the live release again and again.
type Monitor struct {
	Every  Duration     `yaml:"every"`
	Checks []check.Spec `yaml:"checks"`
}

// UnmarshalYAML reads it over its defaults.
func (m *Monitor) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Monitor
	p := plain{Every: Duration(15 * time.Minute)}
	err := unmarshal(&p)
	*m = Monitor(p)
	return err
}

// DeployOptions are the limits and manners of the deploy stage.
type DeployOptions struct {
	Timeout  Duration `yaml:"timeout"`  // of the whole stage
	Wait     Duration `yaml:"wait"`     // for containers to become healthy
	Pull     string   `yaml:"pull"`     // missing, always, never
	Orphans  string   `yaml:"orphans"`  // remove, keep
	Strategy string   `yaml:"strategy"` // recreate
	Build    bool     `yaml:"build"`
}

// RollbackOptions say whether a failure takes the stack back by itself.
type RollbackOptions struct {
	Automatic bool `yaml:"automatic"`
}

// Duration is a time.Duration written as 90s or 10m.
type Duration time.Duration

// UnmarshalYAML reads the written form.
func (d *Duration) UnmarshalYAML(unmarshal func(any) error) error {
	var text string
	if err := unmarshal(&text); err != nil {
		return err
	}
	v, err := time.ParseDuration(text)
	if err != nil || v <= 0 {
		return fmt.Errorf("%q is no duration: write it as 90s, 10m or 1h", text)
	}
	*d = Duration(v)
	return nil
}

func defaultFile() File {
	return File{
		Deploy: DeployOptions{
			Timeout: Duration(10 * time.Minute), Wait: Duration(2 * time.Minute),
			Pull: "missing", Orphans: "remove", Strategy: "recreate",
		},
		Rollback: RollbackOptions{Automatic: true},
	}
}

// ReadFile reads the pipeline of the stack in folder dir of tree and applies
// the named environment; empty is the top level. A stack without the file has
// the defaults. The bytes are those that the release is known by.
func ReadFile(tree fs.FS, dir, environment string) (*File, []byte, error) {
	name := path.Join(dir, FileName)
	raw, err := fs.ReadFile(tree, name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read %s: %w", name, err)
	}
	if project.IsLFSPointer(raw) {
		return nil, nil, &project.PointerError{Path: name}
	}
	file, err := parseFile(raw, environment)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	return file, raw, nil
}

func parseFile(raw []byte, environment string) (*File, error) {
	if len(raw) > maxFile {
		return nil, fmt.Errorf("%d bytes are too many: at most %d", len(raw), maxFile)
	}
	file := defaultFile()
	const hint = "correct the file and push again; docs/pipeline.md lists every key"
	if !blank(raw) {
		if err := unknownKeys(raw); err != nil {
			return nil, WithHint(err, hint)
		}
		if err := yaml.UnmarshalWithOptions(raw, &file, yaml.Strict()); err != nil {
			return nil, WithHint(errors.New(yaml.FormatError(err, false, true)), hint)
		}
	}
	if err := file.overlay(environment); err != nil {
		return nil, err
	}
	if err := file.validate(); err != nil {
		return nil, WithHint(err, hint)
	}
	return &file, nil
}

// blank reports whether raw holds nothing but comments, which the library
// would put over the defaults.
func blank(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		line, _, _ = bytes.Cut(line, []byte("#"))
		if line = bytes.TrimSpace(line); len(line) > 0 && string(line) != "---" {
			return false
		}
	}
	return true
}

// overlay puts an environment's own settings over the top level's.
func (f *File) overlay(environment string) error {
	if environment == "" {
		return nil
	}
	o, ok := f.Environments[environment]
	if !ok {
		if environment == "production" {
			return nil // the top level's usual name
		}
		return WithHint(fmt.Errorf("environment %q is not among its environments", environment),
			"add it under environments:, or correct environment: in deployer.yaml")
	}
	if o.Compose != nil {
		f.Compose = o.Compose
	}
	if o.Profiles != nil {
		f.Profiles = o.Profiles
	}
	if o.EnvFile != "" {
		f.EnvFile = o.EnvFile
	}
	if o.EnvExample != "" {
		f.EnvExample = o.EnvExample
	}
	if o.Preflight != nil {
		f.Preflight = o.Preflight
	}
	if o.Verify != nil {
		f.Verify = o.Verify
	}
	if o.Monitor != nil {
		f.Monitor = o.Monitor
	}
	if o.Backup != nil {
		f.Backup = o.Backup
	}
	return nil
}

func (f *File) validate() error {
	var errs []error
	oneOf := func(key, value string, allowed ...string) {
		if !slices.Contains(allowed, value) {
			errs = append(errs, fmt.Errorf("%s: %q is not one of %v", key, value, allowed))
		}
	}
	for i, pattern := range f.Paths {
		if !doublestar.ValidatePattern(pattern) {
			errs = append(errs, fmt.Errorf("paths[%d]: %q is no pattern: write it like shared/**", i, pattern))
		}
	}
	oneOf("deploy.pull", f.Deploy.Pull, "missing", "always", "never")
	oneOf("deploy.orphans", f.Deploy.Orphans, "remove", "keep")
	if f.Deploy.Strategy != "recreate" {
		errs = append(errs, fmt.Errorf("deploy.strategy: %q is not supported by this version: use recreate", f.Deploy.Strategy))
	}
	if m := f.Monitor; m != nil {
		if len(m.Checks) == 0 {
			errs = append(errs, errors.New("monitor.checks: is empty: name what to look at, or remove monitor"))
		}
		if time.Duration(m.Every) < minMonitor {
			errs = append(errs, fmt.Errorf("monitor.every: at least %s", minMonitor))
		}
		errs = append(errs, validateChecks("monitor.checks", m.Checks))
	}
	errs = append(errs, f.Backup.validate(), validateChecks("preflight", f.Preflight), validateChecks("verify", f.Verify))
	return errors.Join(errs...)
}

func validateChecks(list string, specs []check.Spec) error {
	var errs []error
	for i, s := range specs {
		if err := s.Validate(); err != nil {
			errs = append(errs, fmt.Errorf("%s[%d]: %w", list, i, err))
		}
	}
	return errors.Join(errs...)
}

// findEnv settles which env file the stack has: the one named, else the usual
// one where it exists.
func (f *File) findEnv(tree fs.FS, dir string) error {
	named := f.EnvFile
	if named == "" {
		f.EnvFile = usualEnv
	}
	name := path.Join(dir, f.EnvFile)
	if path.IsAbs(f.EnvFile) || !fs.ValidPath(name) {
		return WithHint(fmt.Errorf("env_file %s leaves the repository", named), "name a file of the same commit, relative to "+FileName)
	}
	info, err := fs.Stat(tree, name)
	switch {
	case err == nil && info.Mode()&fs.ModeSymlink != 0:
		return WithHint(fmt.Errorf("env_file %s is a symlink", name), "commit the file itself")
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrInvalid):
		return WithHint(fmt.Errorf("env_file %s cannot be looked up: %w", name, err), "name a regular file of the same commit, not through a symlink")
	case named != "":
		return WithHint(fmt.Errorf("env_file %s is not in the commit", name),
			"commit it, encrypted with SOPS, or correct env_file in "+FileName)
	default:
		f.EnvFile = ""
	}
	return nil
}
