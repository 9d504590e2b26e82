package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

// virtualRoot stands for the tree's root where nothing has to be on disk.
const virtualRoot = "/.deployer-tree"

// defaultFiles are the names that Compose looks for, and overrideFiles those of
// what it puts over the one that it has found. The first one wins.
var (
	defaultFiles  = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}
	overrideFiles = []string{"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"}
)

// A load is one resolve on its way.
type load struct {
	src       Source
	view      *view
	taint     *taint
	root      string // absolute; what the library takes for the tree's root
	files     []string
	dir       string // in Tree; what relative paths of the stack start from
	names     map[string]string
	undefined map[Undefined]bool
	clear     map[string]bool // tracked files that are mounted as secrets and not encrypted
	warnings  []string
}

// Load resolves a project from a source. It reads nothing but the source's
// tree, and nothing of the process's environment. Errors name the file, what
// is wrong with it, and what to do. Load is safe for concurrent use.
func Load(ctx context.Context, src Source) (*Project, error) {
	l := &load{
		src:       src,
		view:      newView(src),
		taint:     newTaint(src.Env),
		root:      virtualRoot,
		names:     map[string]string{},
		undefined: map[Undefined]bool{},
		clear:     map[string]bool{},
	}
	if loader.NormalizeProjectName(src.Name) != src.Name || src.Name == "" {
		return nil, fmt.Errorf("project name %q: use lower-case letters, digits, - and _, and begin with a letter or digit", src.Name)
	}
	if err := l.findFiles(); err != nil {
		return nil, err
	}
	top := &unit{files: l.files, dir: l.dir, env: l.environment()}
	w := &walk{load: l, extended: map[string]bool{}}
	if err := w.visit(ctx, top); err != nil {
		return nil, err
	}
	compose, err := l.compose(ctx, w, top)
	if err != nil {
		return nil, err
	}
	return l.finish(compose)
}

// environment is what the compose files see: the env, and the project's name
// as Compose adds it.
func (l *load) environment() map[string]string {
	env := map[string]string{}
	if l.src.Env != nil {
		env = l.src.Env.Mapping()
	}
	env["COMPOSE_PROJECT_NAME"] = l.src.Name
	return env
}

// findFiles settles the compose files and the folder that their relative
// paths start from: the first file's, as for `docker compose -f`.
func (l *load) findFiles() error {
	dir := path.Clean(l.src.Dir)
	if len(l.src.Files) > 0 {
		for _, f := range l.src.Files {
			p, err := confine(dir, f)
			if err != nil {
				return fmt.Errorf("compose file: %w", err)
			}
			l.files = append(l.files, p)
		}
		l.dir = path.Dir(l.files[0])
		return nil
	}
	l.dir = dir
	for _, names := range [][]string{defaultFiles, overrideFiles} {
		found, err := l.firstOf(names)
		if err != nil {
			return err
		}
		if found != "" {
			l.files = append(l.files, found)
		}
		if len(l.files) == 0 {
			return fmt.Errorf("no compose file in %s: none of %s is there; add one, or name it under `compose:` in pipeline.yaml", dir, strings.Join(defaultFiles, ", "))
		}
	}
	return nil
}

// firstOf returns the first of the names that is in the stack's folder, and
// warns where another one is beside it, as Compose does.
func (l *load) firstOf(names []string) (string, error) {
	var found []string
	for _, name := range names {
		is, err := l.isFile(path.Join(l.dir, name))
		if err != nil {
			return "", err
		}
		if is {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return "", nil
	}
	if len(found) > 1 {
		l.warn("%s are all in %s; Compose takes %s: remove the others, or name the one that is meant under `compose:` in pipeline.yaml", strings.Join(found, ", "), l.dir, found[0])
	}
	return path.Join(l.dir, found[0]), nil
}

func (l *load) isFile(p string) (bool, error) {
	e, err := l.view.entry(p)
	return e.Kind == entryFile, err
}

// compose runs the library over what the walk has allowed. Only includes and
// files that are extended have to lie on disk.
func (l *load) compose(ctx context.Context, w *walk, top *unit) (*types.Project, error) {
	env := maps.Clone(top.env)
	content := l.view.files
	if w.includes || len(w.extended) > 0 {
		stage, err := newStage(l, env)
		if err != nil {
			return nil, err
		}
		defer stage.remove()
		if content, err = stage.write(w, top); err != nil {
			return nil, err
		}
	}
	details := types.ConfigDetails{WorkingDir: filepath.Join(l.root, l.dir), Environment: env}
	for _, f := range top.files {
		details.ConfigFiles = append(details.ConfigFiles, types.ConfigFile{Filename: f, Content: content[f]})
	}
	p, err := loader.LoadWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(l.src.Name, true)
		o.Profiles = l.src.Profiles
		o.SkipResolveEnvironment, o.SkipResolveLabels = true, true
		o.Interpolate.Substitute = l.taint.substitute(nil)
	})
	if err != nil {
		return nil, l.explain(top.files[0], err)
	}
	if len(p.Services) == 0 {
		return nil, fmt.Errorf("%s: no service is left to run; define one, or enable its profile under `profiles:` in pipeline.yaml", top.files[0])
	}
	p.Environment = top.env
	return p, nil
}

// finish turns what the library made into a project that is the same
// wherever it was resolved.
func (l *load) finish(c *types.Project) (*Project, error) {
	if err := l.resolveEnv(c); err != nil {
		return nil, err
	}
	p := &Project{Name: l.src.Name, Compose: c, Env: l.src.Env, dir: l.src.Dir, view: l.view, taint: l.taint}
	if err := l.placeMounts(p); err != nil {
		return nil, err
	}
	if err := l.placeBuilds(c); err != nil {
		return nil, err
	}
	l.dropUnused(c)
	l.label(c)
	if _, err := json.Marshal(c); err != nil {
		return nil, fmt.Errorf("%s: a value cannot be written down: %w", l.files[0], err)
	}
	p.Warnings = l.warnings
	p.ClearSecrets = slices.Sorted(maps.Keys(l.clear))
	p.Reads = l.view.reads()
	p.Undefined = slices.SortedFunc(maps.Keys(l.undefined), func(a, b Undefined) int {
		return strings.Compare(a.Name+"\x00"+a.File, b.Name+"\x00"+b.File)
	})
	return p, nil
}

func (l *load) warn(format string, args ...any) {
	l.warnings = append(l.warnings, fmt.Sprintf(format, args...))
}

// inTree maps an absolute path of the library back into the tree.
func (l *load) inTree(abs string) (string, error) {
	rel, err := filepath.Rel(l.root, abs)
	if err != nil || rel == ".." || strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("%s is outside the repository; keep the file inside it", abs)
	}
	return rel, nil
}

// rename gives files on disk their names in the tree again.
func (l *load) rename(text string) string {
	for staged, name := range l.names {
		text = strings.ReplaceAll(text, staged, name)
	}
	return strings.ReplaceAll(text, l.root+"/", "")
}

func singleDocument(data []byte) error {
	n, err := countDocuments(data)
	if err == nil && n > 1 {
		return errors.New("it holds more than one YAML document; split it into files and name them under `compose:` in pipeline.yaml")
	}
	return nil // what is no YAML is reported by the loader, with its line
}
