package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// checkExample holds the env file to the example that pipeline.yaml names:
// every key of it must be set.
func (x *Execution) checkExample(ctx context.Context) (string, error) {
	name := path.Join(x.Stack.Directory, x.File.EnvExample)
	raw, err := fs.ReadFile(x.Tree, name)
	if err != nil {
		return "", WithHint(fmt.Errorf("read env_example: %w", err), "commit it, or correct env_example in "+FileName)
	}
	example, err := x.Stack.Keys.Open(ctx, name, raw)
	if err != nil {
		return "", err
	}
	var missing []string
	for _, v := range example.Vars() {
		if _, ok := x.Env.Lookup(v.Name); !ok {
			missing = append(missing, v.Name)
		}
	}
	if len(missing) > 0 {
		return "", WithHint(fmt.Errorf("%s asks for what is not set: %s", name, strings.Join(missing, ", ")),
			"set them in the env file, empty where they have no value")
	}
	return fmt.Sprintf("all %d keys of %s are set", len(example.Vars()), name), nil
}
