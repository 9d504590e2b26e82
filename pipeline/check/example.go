package check

import (
	"context"
	"fmt"
	"path"
	"strings"

	"deployer/secrets"
)

// exampleCheck holds the env file to an example: every key of it is set, and
// none is left as it was where the example says that it must be changed.
type exampleCheck struct {
	File text `check:"file"` // from the stack's folder; default: env_example of pipeline.yaml
}

func newExample() Check { return &exampleCheck{} }

func (c *exampleCheck) Run(ctx context.Context, w *World) Result {
	name := c.File.plain
	if name == "" {
		name = w.Example
	}
	switch {
	case name == "":
		return failed("no example is named", "name it in env_example of pipeline.yaml, or in `file`")
	case w.ReadFile == nil || w.OpenEnv == nil:
		return skipped("the files of the commit are not at hand")
	}
	raw, err := w.ReadFile(name)
	name = path.Join(w.Dir, name)
	if err != nil {
		return failed("cannot read env_example "+name+": "+err.Error(), "commit it, or correct env_example in pipeline.yaml")
	}
	example, err := w.OpenEnv(ctx, name, raw)
	if err != nil {
		return failed(err.Error(), "correct the example; it is an env file like the other")
	}
	return compareExample(name, example, w.Env)
}

func compareExample(name string, example, env *secrets.Env) Result {
	if env == nil {
		env = secrets.NewEnv("", false, nil)
	}
	var missing, left []string
	for _, v := range example.Vars() {
		have, ok := env.Lookup(v.Name)
		switch {
		case !ok:
			missing = append(missing, v.Name)
		case placeholderIn(v.Value.Reveal()) && have.Value.Equal(v.Value):
			left = append(left, v.Name)
		}
	}
	var r report
	if len(missing) > 0 {
		r.fail(fmt.Sprintf("%s asks for what is not set: %s", name, strings.Join(missing, ", ")),
			"set them in the env file, empty where they have no value")
	}
	if len(left) > 0 {
		r.fail(fmt.Sprintf("still as %s has them, where it asks for a value of your own: %s", name, strings.Join(left, ", ")),
			"give them real values in the env file")
	}
	return r.result(fmt.Sprintf("all %d keys of %s are set", len(example.Vars()), name))
}
