package project

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/docker/cli/pkg/kvfile"

	"deployer/secrets"
)

// formatRaw is Compose's name for an env file whose values are taken as they
// stand, quotes and all.
const formatRaw = "raw"

// loadEnv adds the variables of an env file to vars. Variables inside values
// are looked up with lookup and then among vars, as Compose does. A plain file
// is read by Compose's rules alone.
func (v *view) loadEnv(p, format string, vars map[string]string, lookup dotenv.LookupFn, t *taint) error {
	text, err := v.read(p)
	if err != nil {
		return err
	}
	var env *secrets.Env
	if secrets.IsEncrypted(text) {
		if env, err = v.decrypt(p, text); err != nil {
			return err
		}
		text = []byte(env.Document().Text.Reveal())
	}
	var used []string // secret values that values of this file are made with
	watched := func(name string) (string, bool) {
		value, ok := lookup(name)
		if ok && value != "" && t.names[name] {
			used = append(used, value)
		}
		return value, ok
	}
	own := maps.Clone(vars)
	switch format {
	case "", dotenv.DotEnv:
		err = dotenv.ParseWithFormat(bytes.NewReader(text), p, own, quiet(string(text), own, watched), "")
	case formatRaw:
		err = parseRaw(text, own, watched)
	default:
		err = fmt.Errorf("format %q is not known; there is `raw`, and without a format dotenv", format)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	t.addFile(env, own, used)
	maps.Copy(vars, own)
	return nil
}

// quiet keeps Compose's parser from logging the name of an undefined variable,
// which in a password with a $ is a part of the password: it is told that the
// variable is empty, which is what it would put there.
func quiet(text string, vars map[string]string, lookup dotenv.LookupFn) dotenv.LookupFn {
	return func(name string) (string, bool) {
		if value, ok := lookup(name); ok {
			return value, true
		}
		if value, ok := vars[name]; ok {
			return value, true
		}
		for _, operator := range []string{":", "-", "+", "?"} {
			if strings.Contains(text, "${"+name+operator) {
				return "", false
			}
		}
		return "", true
	}
}

func parseRaw(text []byte, vars map[string]string, lookup dotenv.LookupFn) error {
	lines, err := kvfile.ParseFromReader(bytes.NewReader(text), lookup)
	if err != nil {
		return err
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	return nil
}

func (v *view) decrypt(p string, data []byte) (*secrets.Env, error) {
	if env, ok := v.envs[p]; ok {
		return env, nil
	}
	if v.openEnv == nil {
		return nil, fmt.Errorf("%s is encrypted, and nothing here can decrypt it", p)
	}
	env, err := v.openEnv(p, data)
	if err != nil {
		return nil, err
	}
	v.envs[p] = env
	return env, nil
}

// resolveEnv fills the environment and labels of everything that runs a
// container from its env_file and label_file, read from the tree, and takes
// the paths away: Compose hashes them.
func (l *load) resolveEnv(p *types.Project) error {
	for _, name := range slices.Sorted(maps.Keys(p.Services)) {
		s := p.Services[name]
		if err := l.resolveContainer("service "+name, &s.ContainerSpec, p.Environment); err != nil {
			return err
		}
		for i := range s.PreStart {
			if err := l.resolveContainer("service "+name+", pre_start", &s.PreStart[i].ContainerSpec, p.Environment); err != nil {
				return err
			}
		}
		p.Services[name] = s
	}
	return nil
}

func (l *load) resolveContainer(who string, c *types.ContainerSpec, env types.Mapping) error {
	if err := l.resolveEnvFiles(c, env); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	if err := l.resolveLabelFiles(c); err != nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	for _, name := range slices.Sorted(maps.Keys(c.Environment)) {
		if c.Environment[name] == nil {
			l.warn("%s: environment passes %s on, but nothing defines it; set it in the env file, or remove the line", who, name)
		}
	}
	return nil
}

func (l *load) resolveEnvFiles(c *types.ContainerSpec, env types.Mapping) error {
	c.Environment = c.Environment.Resolve(env.Resolve)
	vars := c.Environment.ToMapping()
	lookup := func(name string) (string, bool) {
		if value, ok := env.Resolve(name); ok {
			return value, true
		}
		if value := c.Environment[name]; value != nil {
			return *value, true
		}
		return "", false
	}
	for _, file := range c.EnvFiles {
		p, err := l.inTree(file.Path)
		if err != nil {
			return fmt.Errorf("env_file: %w", err)
		}
		err = l.view.loadEnv(p, file.Format, vars, lookup, l.taint)
		if errors.Is(err, fs.ErrNotExist) && !bool(file.Required) {
			continue
		}
		if err != nil {
			return fmt.Errorf("env_file: %w", err)
		}
	}
	merged := vars.ToMappingWithEquals().OverrideBy(c.Environment)
	if len(merged) > 0 {
		c.Environment = merged
	}
	c.EnvFiles = nil
	return nil
}

func (l *load) resolveLabelFiles(c *types.ContainerSpec) error {
	labels := types.Labels{}
	lookup := func(name string) (string, bool) {
		value, ok := labels[name]
		return value, ok
	}
	for _, file := range c.LabelFiles {
		p, err := l.inTree(file)
		if err != nil {
			return fmt.Errorf("label_file: %w", err)
		}
		data, err := l.view.read(p)
		if err != nil {
			return fmt.Errorf("label_file: %w", err)
		}
		vars := map[string]string{}
		if err := dotenv.ParseWithFormat(bytes.NewReader(data), p, vars, lookup, ""); err != nil {
			return fmt.Errorf("label_file: %w", err)
		}
		maps.Copy(labels, vars)
	}
	maps.Copy(labels, c.Labels)
	if len(labels) > 0 {
		c.Labels = labels
	}
	c.LabelFiles = nil
	return nil
}
