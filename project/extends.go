package project

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// maxExtends bounds the services of a unit that extend another: the library
// copies the whole chain at each step.
const maxExtends = 1000

type serviceRef struct{ file, service string }

// extend notes what a service extends and follows it into another file.
func (w *walk) extend(ctx context.Context, u *unit, file, dir, name string, c map[string]any) error {
	ext, ok := c["extends"].(map[string]any)
	if !ok {
		return nil
	}
	self := serviceRef{file: file, service: name}
	where := fmt.Sprintf("%s: services.%s: extends", file, name)
	base, _ := ext["service"].(string)
	to := serviceRef{file: file, service: base}
	from, other := ext["file"].(string)
	if other {
		at, err := confine(dir, from)
		if err != nil {
			return fmt.Errorf("%s: %w", where, err)
		}
		to.file = at
	}
	if slices.Contains(u.extends[self], to) {
		return nil
	}
	if len(u.extends) == maxExtends {
		return fmt.Errorf("%s: more than %d services extend another; write some of them out", where, maxExtends)
	}
	u.extends[self] = append(u.extends[self], to)
	if !other {
		return nil
	}
	w.extended[to.file] = true
	model, err := w.model(ctx, to.file, u.env)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w", where, err)
	}
	if err != nil {
		return err
	}
	return w.containers(ctx, u, to.file, path.Dir(to.file), model)
}

// checkExtends refuses services that extend each other in a circle.
func (u *unit) checkExtends() error {
	done := map[serviceRef]bool{}
	var trail []serviceRef
	var follow func(ref serviceRef) error
	follow = func(ref serviceRef) error {
		if at := slices.Index(trail, ref); at >= 0 {
			return fmt.Errorf("%s: extends form a cycle: %s; remove one of them", ref.file, describe(append(trail[at:], ref)))
		}
		if done[ref] {
			return nil
		}
		done[ref] = true
		trail = append(trail, ref)
		defer func() { trail = trail[:len(trail)-1] }()
		for _, next := range u.extends[ref] {
			if err := follow(next); err != nil {
				return err
			}
		}
		return nil
	}
	for ref := range u.extends {
		if err := follow(ref); err != nil {
			return err
		}
	}
	return nil
}

func describe(refs []serviceRef) string {
	out := make([]string, len(refs))
	for i, r := range refs {
		out[i] = r.service + " in " + r.file
	}
	return strings.Join(out, " → ")
}
