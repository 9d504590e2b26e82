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

// encryptedCheck wants the env file, and the files that are mounted as secrets,
// encrypted as the repository's .sops.yaml says, and their secrets in no other
// file of the stack.
type encryptedCheck struct {
	Ignore []text `check:"ignore"` // names of variables, and paths from the stack's folder
}

func newEncrypted() Check { return &encryptedCheck{} }

func (c *encryptedCheck) Run(ctx context.Context, w *World) Result {
	switch {
	case w.Tree == nil:
		return skipped("the files of the commit are not at hand")
	case !hasEnvFile(w) && len(sealedFiles(w)) == 0 && len(clearSecrets(w)) == 0:
		return skipped("the stack has no env file, and mounts no file as a secret")
	}
	var r report
	if hasEnvFile(w) {
		c.envFile(&r, w)
	}
	for _, f := range sealedFiles(w) {
		c.rules(&r, w, f.Path())
	}
	for _, name := range clearSecrets(w) {
		if !c.ignored(local(w.Dir, name)) {
			r.fail(name+" is mounted as a secret, and is not encrypted", "encrypt it, and replace what was committed: deployer secrets encrypt "+name)
		}
	}
	looked, err := c.leaks(ctx, &r, w)
	if err != nil {
		return failed("cannot look through the stack's files: "+err.Error(), "see the run's log; then try again")
	}
	if n := len(sealedFiles(w)); n > 0 {
		what := fmt.Sprintf("files of configs and secrets: %d", n)
		if hasEnvFile(w) {
			what = w.Env.Path() + ", and " + what
		}
		return r.result(fmt.Sprintf("encrypted: %s; none of their secrets is in one of %d files in clear", what, looked))
	}
	return r.result(fmt.Sprintf("%s is encrypted, and none of its secrets is in one of %d other files", w.Env.Path(), looked))
}

func hasEnvFile(w *World) bool { return w.Env != nil && w.Env.Path() != "" }

func sealedFiles(w *World) []*secrets.File {
	if w.Project == nil {
		return nil
	}
	return w.Project.Sealed()
}

func clearSecrets(w *World) []string {
	if w.Project == nil {
		return nil
	}
	return w.Project.ClearSecrets
}

func (c *encryptedCheck) envFile(r *report, w *World) {
	name := w.Env.Path()
	data, err := fs.ReadFile(w.Tree, name)
	if err != nil {
		r.fail(fmt.Sprintf("cannot read %s: %s", name, err), "commit it")
		return
	}
	if !w.Env.Encrypted() || !secrets.IsEncrypted(data) {
		r.fail(name+" is not encrypted", "encrypt it, and replace every secret in it that was committed: deployer secrets encrypt "+name)
		return
	}
	c.rules(r, w, name)
}

// rules holds an encrypted file to the nearest .sops.yaml above it.
func (c *encryptedCheck) rules(r *report, w *World, name string) {
	data, err := fs.ReadFile(w.Tree, name)
	if err != nil {
		r.fail(fmt.Sprintf("cannot read %s: %s", name, err), "commit it")
		return
	}
	dir, rules, err := nearestRules(w.Tree, path.Dir(name))
	if err != nil {
		r.warn("not proven that "+name+" is encrypted for the right keys: the repository has no .sops.yaml", "commit one with creation_rules, so that reviews see who can open what")
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
	wanted := c.wanted(w)
	large := 0
	err = fs.WalkDir(w.Tree, path.Clean(w.Dir), func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case ctx.Err() != nil:
			return errors.New(reason(ctx.Err()))
		case !d.Type().IsRegular() || hasEnvFile(w) && name == w.Env.Path() || c.ignored(local(w.Dir, name)):
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
	name   string
	remedy string
	forms  []string
}

func (c *encryptedCheck) wanted(w *World) []wantedSecret {
	var out []wantedSecret
	var public []secrets.Var
	if w.Env != nil {
		public = slices.DeleteFunc(slices.Clone(w.Env.Vars()), func(v secrets.Var) bool { return v.Secret })
	}
	want := func(v secrets.Var, name, remedy string) {
		value := v.Value.Reveal()
		isPublic := slices.ContainsFunc(public, func(p secrets.Var) bool { return p.Value.Reveal() == value })
		if !v.Secret || len(value) < minLeak || c.ignored(v.Name) || placeholderIn(value) || isPublic {
			return
		}
		out = append(out, wantedSecret{name, remedy, []string{
			value, strings.ReplaceAll(value, "$", "$$"), base64.StdEncoding.EncodeToString([]byte(value)),
		}})
	}
	if w.Env != nil {
		for _, v := range w.Env.Vars() {
			want(v, v.Name, "use ${"+v.Name+"} there")
		}
	}
	for _, f := range sealedFiles(w) {
		for _, v := range f.Values() {
			want(v, v.Name+" of "+f.Path(), "take it out")
		}
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
					s.remedy+", and replace the value: whoever can read the repository knows it. `ignore` takes names and paths where it is none")
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
