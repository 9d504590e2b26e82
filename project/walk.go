package project

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/template"
	"github.com/compose-spec/compose-go/v2/types"
)

// maxVisits bounds the walk: with other env files on every way to it, one file
// can be loaded more than once.
const maxVisits = 256

// A unit is a group of files that Compose loads together: the stack's own, or
// those of one include.
type unit struct {
	files []string          // in Tree
	dir   string            // in Tree; relative paths start here
	env   map[string]string // for interpolation
	via   []string          // the files that include it, from the stack's own
	// includes are the units that each file includes, in their order.
	includes map[string][]*unit
	extends  map[serviceRef][]serviceRef
}

// A walk visits every file that a load would reach, before the library does,
// and refuses what lies outside the tree. The library knows no file system but
// the machine's.
type walk struct {
	load     *load
	visits   int
	includes bool            // some file includes others
	extended map[string]bool // files that a service extends from
}

// visit loads each file of the unit alone and follows what it names.
func (w *walk) visit(ctx context.Context, u *unit) error {
	if w.visits++; w.visits > maxVisits {
		return fmt.Errorf("%s: more than %d includes; include each file once", u.files[0], maxVisits)
	}
	u.includes, u.extends = map[string][]*unit{}, map[serviceRef][]serviceRef{}
	for _, file := range u.files {
		if slices.Contains(u.via, file) {
			return fmt.Errorf("%s: includes form a cycle: %s → %s; remove one of them", file, strings.Join(u.via, " → "), file)
		}
		model, err := w.model(ctx, file, u.env)
		if err != nil {
			return err
		}
		if len(u.via) == 0 {
			if err := w.checkName(file, model); err != nil {
				return err
			}
		}
		if err := w.containers(ctx, u, file, u.dir, model); err != nil {
			return err
		}
		if err := w.resources(file, u.dir, model); err != nil {
			return err
		}
		if err := w.include(ctx, u, file, model); err != nil {
			return err
		}
	}
	return u.checkExtends()
}

// model parses and interpolates one file, without what it refers to.
func (w *walk) model(ctx context.Context, file string, env map[string]string) (map[string]any, error) {
	data, err := w.load.view.read(file)
	if err != nil {
		return nil, err
	}
	if err := singleDocument(data); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	missing := func(name string) {
		w.load.undefined[Undefined{Name: name, File: file}] = true
	}
	details := types.ConfigDetails{
		WorkingDir:  w.load.root,
		Environment: maps.Clone(env),
		ConfigFiles: []types.ConfigFile{{Filename: file, Content: data}},
	}
	model, err := loader.LoadModelWithContext(ctx, details, func(o *loader.Options) {
		o.SetProjectName(w.load.src.Name, true)
		o.SkipInclude, o.SkipExtends = true, true
		o.SkipValidation, o.SkipNormalization = true, true
		o.SkipConsistencyCheck, o.SkipDefaultValues = true, true
		o.ResolvePaths = false
		o.Interpolate.Substitute = w.load.taint.substitute(missing)
	})
	if err != nil {
		return nil, w.load.explain(file, err)
	}
	return model, nil
}

// explain puts an error of the library into the terms of the stack.
func (l *load) explain(file string, err error) error {
	var required *template.MissingRequiredError
	if errors.As(err, &required) {
		return fmt.Errorf("%s: variable %s is required: %s; set it in the env file", file, required.Variable, cmp.Or(required.Reason, "it has no value"))
	}
	text := l.rename(err.Error())
	if key, found := strings.CutSuffix(text, " false schema"); found { // how the library says it
		text = key + ": Compose knows no such key; correct its spelling, or begin it with x-"
	}
	if strings.HasPrefix(text, "failed to parse "+file) || strings.HasPrefix(text, "validating "+file) {
		return errors.New(text)
	}
	return fmt.Errorf("%s: %s", file, text)
}

func (w *walk) checkName(file string, model map[string]any) error {
	name, ok := model["name"].(string)
	if !ok || name == "" || name == w.load.src.Name {
		return nil
	}
	return fmt.Errorf("%s: it is named %q, but this stack is deployed as project %q; remove `name:` from the file, or set `project: %s` for the stack on the server", file, name, w.load.src.Name, name)
}
