package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"deployer/project"
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
		if project.IsLFSPointer(raw) {
			return "", &project.PointerError{Path: name}
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

// hintApart takes what to do out of the end of an error about an encrypted
// file, to where people and scripts look for it.
func hintApart(err error) error {
	var own *secrets.Error
	if !errors.As(err, &own) || own.Hint == "" {
		return err
	}
	text, ok := strings.CutSuffix(err.Error(), "; "+own.Hint)
	if !ok {
		return err
	}
	return WithHint(reworded{err, text}, own.Hint)
}

// reworded is an error in other words.
type reworded struct {
	error
	text string
}

func (r reworded) Error() string { return r.text }
func (r reworded) Unwrap() error { return r.error }

func (x *Execution) useEnv(env *secrets.Env) {
	x.Env = env
	x.Mask.Add(env.Secrets()...)
}
