package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// include follows the includes of a file, each with the env that Compose
// would give it.
func (w *walk) include(ctx context.Context, u *unit, file string, model map[string]any) error {
	list, _ := model["include"].([]any)
	for _, item := range list {
		inc, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: include: each entry is a path, or a mapping with `path`", file)
		}
		next := &unit{via: append(slices.Clone(u.via), file)}
		for _, p := range stringsOf(inc["path"]) {
			at, err := confine(u.dir, p)
			if err != nil {
				return fmt.Errorf("%s: include: %w", file, err)
			}
			next.files = append(next.files, at)
		}
		if len(next.files) == 0 {
			return fmt.Errorf("%s: include: an entry without `path`", file)
		}
		next.dir = path.Dir(next.files[0])
		if dir, ok := inc["project_directory"].(string); ok && dir != "" {
			at, err := confine(u.dir, dir)
			if err != nil {
				return fmt.Errorf("%s: include, project_directory: %w", file, err)
			}
			next.dir = at
		}
		var err error
		if next.env, err = w.includeEnv(u, next.dir, stringsOf(inc["env_file"])); err != nil {
			return fmt.Errorf("%s: include: %w", file, err)
		}
		if err := w.visit(ctx, next); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("%s: include: %w", file, err)
			}
			return err
		}
		u.includes[file] = append(u.includes[file], next)
		w.includes = true
	}
	return nil
}

// includeEnv is the env of an include: its parent's, then its env files, or
// the .env of its folder where it names none.
func (w *walk) includeEnv(u *unit, dir string, files []string) (map[string]string, error) {
	var paths []string
	for _, f := range files {
		if f == "/dev/null" {
			continue // Compose's way to say: none
		}
		p, err := confine(u.dir, f)
		if err != nil {
			return nil, fmt.Errorf("env_file: %w", err)
		}
		paths = append(paths, p)
	}
	if len(files) == 0 {
		p := path.Join(dir, ".env")
		e, err := w.load.view.entry(p)
		if err != nil {
			return nil, err
		}
		if e.Kind == entryFile {
			paths = append(paths, p)
		}
	}
	own := map[string]string{}
	lookup := func(name string) (string, bool) {
		if value, ok := u.env[name]; ok {
			return value, true
		}
		value, ok := own[name]
		return value, ok
	}
	for _, p := range paths {
		if err := w.load.view.loadEnv(p, "", own, lookup, w.load.taint); err != nil {
			return nil, err
		}
	}
	return types.Mapping(maps.Clone(u.env)).Merge(own), nil
}

// containers checks the paths of everything that runs a container, and
// follows `extends` into other files.
func (w *walk) containers(ctx context.Context, u *unit, file, dir string, model map[string]any) error {
	for _, section := range []string{"services", "jobs"} {
		all, _ := model[section].(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			c, ok := all[name].(map[string]any)
			if !ok {
				continue
			}
			where := fmt.Sprintf("%s: %s.%s", file, section, name)
			if err := containerPaths(dir, c); err != nil {
				return fmt.Errorf("%s: %w", where, err)
			}
			hooks, _ := c["pre_start"].([]any)
			for _, hook := range hooks {
				if h, ok := hook.(map[string]any); ok {
					if err := containerPaths(dir, h); err != nil {
						return fmt.Errorf("%s: pre_start: %w", where, err)
					}
				}
			}
			if err := w.extend(ctx, u, file, dir, name, c); err != nil {
				return err
			}
		}
	}
	return nil
}

// containerPaths checks the files that a container is configured from.
func containerPaths(dir string, c map[string]any) error {
	envFiles, _ := c["env_file"].([]any)
	for _, item := range envFiles {
		if m, ok := item.(map[string]any); ok {
			p, _ := m["path"].(string)
			if _, err := confine(dir, p); err != nil {
				return fmt.Errorf("env_file: %w", err)
			}
		}
	}
	for _, p := range stringsOf(c["label_file"]) {
		if _, err := confine(dir, p); err != nil {
			return fmt.Errorf("label_file: %w", err)
		}
	}
	volumes, _ := c["volumes"].([]any)
	for _, item := range volumes {
		m, _ := item.(map[string]any)
		source, _ := m["source"].(string)
		if m["type"] == types.VolumeTypeBind || strings.HasPrefix(source, ".") || strings.HasPrefix(source, "~") {
			if err := hostOrTree(dir, source); err != nil {
				return fmt.Errorf("volumes: %w", err)
			}
		}
	}
	return nil
}

// resources checks the paths of top-level configs, secrets and volumes.
func (w *walk) resources(file, dir string, model map[string]any) error {
	for _, section := range []string{"configs", "secrets"} {
		all, _ := model[section].(map[string]any)
		for name, item := range all {
			m, _ := item.(map[string]any)
			if p, ok := m["file"].(string); ok {
				if err := hostOrTree(dir, p); err != nil {
					return fmt.Errorf("%s: %s.%s: %w", file, section, name, err)
				}
			}
		}
	}
	volumes, _ := model["volumes"].(map[string]any)
	for name, item := range volumes {
		m, _ := item.(map[string]any)
		opts, _ := m["driver_opts"].(map[string]any)
		if p, ok := opts["device"].(string); ok && opts["o"] == "bind" {
			if err := hostOrTree(dir, p); err != nil {
				return fmt.Errorf("%s: volumes.%s: %w", file, name, err)
			}
		}
	}
	return nil
}

// hostOrTree accepts an absolute path of the host, which policy judges, and
// confines the others.
func hostOrTree(dir, p string) error {
	if path.IsAbs(p) {
		return nil
	}
	_, err := confine(dir, p)
	return err
}

func stringsOf(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
