package pipeline

import (
	"context"
	"fmt"
	"io/fs"
	"path"

	"deployer/secrets"
)

// decrypt reads the stack's env file into memory. From here on the log, the
// record and every message are masked with its secrets.
func decrypt(ctx context.Context, x *Execution) error {
	if x.again != nil {
		return skip{"the env was kept with the release"}
	}
	if x.File.EnvFile == "" {
		x.useEnv(secrets.NewEnv("", false, nil))
		return x.Step(ctx, "env file", func(context.Context) (string, error) {
			return "none: the stack has no .env.production and names no env_file", nil
		})
	}
	name := path.Join(x.Stack.Directory, x.File.EnvFile)
	return x.Step(ctx, "env file", func(ctx context.Context) (string, error) {
		raw, err := fs.ReadFile(x.Tree, name)
		if err != nil {
			return "", fmt.Errorf("read %s: %w", name, err)
		}
		env, err := x.Stack.Keys.Open(ctx, name, raw)
		if err != nil {
			return "", hintApart(err)
		}
		x.useEnv(env)
		if !env.Encrypted() {
			return fmt.Sprintf("%s: %d values, not encrypted", name, len(env.Vars())), nil
		}
		return fmt.Sprintf("%s: %d values, %d of them secret", name, len(env.Vars()), len(env.Secrets())), nil
	})
}

// hintApart takes what to do out of the sentence of an error about an env file,
// to where people and scripts look for it.
func hintApart(err error) error {
	own, ok := err.(*secrets.Error) //nolint:errorlint // the sentence is this one's, not a wrapped one's
	if !ok || own.Hint == "" {
		return err
	}
	apart := *own
	apart.Hint = ""
	return WithHint(&apart, own.Hint)
}

func (x *Execution) useEnv(env *secrets.Env) {
	x.Env = env
	x.Mask.Add(env.Secrets()...)
}
