package check

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"deployer/secrets"
)

// encryptedCheck wants the env file encrypted as the repository's .sops.yaml
// says, and its secrets in no other file of the stack.
type encryptedCheck struct {
	Ignore []text `check:"ignore"` // names of variables, and paths from the stack's folder
}

func newEncrypted() Check { return &encryptedCheck{} }

func (c *encryptedCheck) Run(ctx context.Context, w *World) Result {
	switch {
	case w.Tree == nil:
		return skipped("the files of the commit are not at hand")
	case w.Env == nil || w.Env.Path() == "":
		return skipped("the stack has no env file")
	}
	var r report
	c.rules(&r, w)
	looked, err := c.leaks(ctx, &r, w)
	if err != nil {
		return failed("cannot look through the stack's files: "+err.Error(), "see the run's log; then try again")
	}
	return r.result(fmt.Sprintf("%s is encrypted, and none of its secrets is in one of %d other files", w.Env.Path(), looked))
}

// rules holds the env file to the nearest .sops.yaml above it.
func (c *encryptedCheck) rules(r *report, w *World) {
	name := w.Env.Path()
	data, err := fs.ReadFile(w.Tree, name)
	if err != nil {
		r.fail(fmt.Sprintf("cannot read %s: %s", name, err), "commit it")
		return
	}
	if !w.Env.Encrypted() || !secrets.IsEncrypted(data) {
		r.fail(name+" is not encrypted", "encrypt it, and replace every secret in it that was committed: sops encrypt --input-type dotenv --output-type dotenv --in-place "+name)
		return
	}
	dir, rules, err := nearestRules(w.Tree, path.Dir(name))
	if err != nil {
		r.warn("not proven that it is encrypted for the right keys: the repository has no .sops.yaml", "commit one with creation_rules, so that reviews see who can open what")
		return
	}
	mismatches, err := secrets.Mismatches(rules, strings.TrimPrefix(name, dir+"/"), data)
	var known *secrets.Error
	switch {
	case errors.As(err, &known):
		r.fail(known.Path+": "+known.Problem, known.Hint)
	case err != nil:
		r.fail(err.Error(), "see the run's log; then try again")
	}
	for _, m := range mismatches {
		r.fail(m.Problem, m.Hint)
	}
}

func nearestRules(tree fs.FS, dir string) (string, []byte, error) {
	for {
		data, err := fs.ReadFile(tree, path.Join(dir, ".sops.yaml"))
		if err == nil || dir == "." {
			return dir, data, err
		}
		dir = path.Dir(dir)
	}
}

const (
	minLeak  = 8       // characters of a secret that is looked for: shorter ones are in every text
	maxLooks = 4 << 20 // bytes of a file that is looked through
)

// leaks looks through every other file of the stack's folder, and says how many.
func (c *encryptedCheck) leaks(ctx context.Context, r *report, w *World) (looked int, err error) {
	wanted := c.wanted(w.Env)
	large := 0
	err = fs.WalkDir(w.Tree, path.Clean(w.Dir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return errors.New(reason(ctx.Err()))
		case !d.Type().IsRegular() || name == w.Env.Path() || c.ignored(local(w.Dir, name)):
			return nil
		}
		if info, err := d.Info(); err == nil && info.Size() > maxLooks {
			large++
			return nil
		}
		data, err := fs.ReadFile(w.Tree, name)
		if err != nil {
			return err
		}
		looked++
		judgeText(r, local(w.Dir, name), string(data), wanted)
		return nil
	})
	if large > 0 {
		r.warn(fmt.Sprintf("%d files are too large to be looked through", large), "keep large files out of the stack's folder")
	}
	return looked, err
}

// A wantedSecret is a value that no other file may hold.
type wantedSecret struct {
	name  string
	forms []string
}

func (c *encryptedCheck) wanted(env *secrets.Env) []wantedSecret {
	var out []wantedSecret
	isPublic := func(value string) bool {
		return slices.ContainsFunc(env.Vars(), func(v secrets.Var) bool { return !v.Secret && v.Value.Reveal() == value })
	}
	for _, v := range env.Vars() {
		value := v.Value.Reveal()
		if !v.Secret || len(value) < minLeak || c.ignored(v.Name) || placeholderIn(value) || isPublic(value) {
			continue
		}
		out = append(out, wantedSecret{v.Name, []string{
			value, strings.ReplaceAll(value, "$", "$$"), base64.StdEncoding.EncodeToString([]byte(value)),
		}})
	}
	return out
}

func (c *encryptedCheck) ignored(name string) bool {
	return slices.ContainsFunc(c.Ignore, func(t text) bool { return t.plain == name })
}

func judgeText(r *report, name, content string, wanted []wantedSecret) {
	for _, s := range wanted {
		for _, form := range s.forms {
			if at := strings.Index(content, form); at >= 0 {
				r.fail(fmt.Sprintf("%s holds the value of %s in clear (line %d)", name, s.name, lineAt(content, at)),
					"use ${"+s.name+"} there, and replace the value: whoever can read the repository knows it. `ignore` takes names and paths where it is none")
				break
			}
		}
	}
	for _, known := range keyForms {
		if at := known.form.FindStringIndex(content); at != nil {
			r.fail(fmt.Sprintf("%s holds %s in clear (line %d)", name, known.what, lineAt(content, at[0])),
				"take it out and revoke it: the history keeps it. A path goes into `ignore` where it is none")
		}
	}
}

func lineAt(content string, at int) int { return 1 + strings.Count(content[:at], "\n") }

// local is a path of the tree as it is from the stack's folder.
func local(dir, name string) string { return strings.TrimPrefix(name, path.Clean(dir)+"/") }
