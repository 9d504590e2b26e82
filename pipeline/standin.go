package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"deployer/project"
	"deployer/secrets"
)

const (
	usualExample = ".env.production.example"
	placeholder  = "placeholder"
)

// exampleName is the file whose values stand for those of the env file.
func (x *Execution) exampleName() string { return cmp.Or(x.example(), usualExample) }

// standIn resolves the stack of a tree without any secret: with the values of
// its example, and in the place of encrypted files their names alone.
func (x *Execution) standIn(ctx context.Context, tree project.Tree) (*project.Project, error) {
	env, err := exampleEnv(tree, path.Join(x.Stack.Directory, x.exampleName()))
	if err != nil {
		return nil, err
	}
	return project.Load(ctx, project.Source{
		Tree: tree, Dir: x.Stack.Directory, Files: x.File.Compose, Profiles: x.File.Profiles, Name: x.Stack.Project,
		Env: env, Roots: x.Stack.Roots, Digest: plainDigest,
		OpenEnv:  func(name string, data []byte) (*secrets.Env, error) { return namesOnly(name, data), nil },
		OpenFile: func(name string, data []byte) (*secrets.File, error) { return asCommitted(name, data), nil },
	})
}

// exampleEnv reads an example as an env; an empty one where there is none. A
// key without a value gets a placeholder: it is set in the real one.
func exampleEnv(tree fs.FS, name string) (*secrets.Env, error) {
	raw, err := fs.ReadFile(tree, name)
	if errors.Is(err, fs.ErrNotExist) {
		return secrets.NewEnv("", false, nil), nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if secrets.IsEncrypted(raw) {
		return namesOnly(name, raw), nil
	}
	env, err := secrets.Keyring{}.Open(context.Background(), name, raw)
	if err != nil {
		return nil, err
	}
	vars := make([]secrets.Var, 0, len(env.Vars()))
	for _, v := range env.Vars() {
		if v.Value.Empty() {
			v.Value = secrets.NewValue(placeholder)
		}
		vars = append(vars, secrets.Var{Name: v.Name, Value: v.Value})
	}
	return secrets.NewEnv(name, false, vars), nil
}

// namesOnly is an encrypted file as who has no key sees it.
func namesOnly(name string, data []byte) *secrets.Env {
	var vars []secrets.Var
	for line := range strings.Lines(string(data)) {
		key, _, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, "sops_") || strings.ContainsAny(key, "{\" ") {
			continue
		}
		vars = append(vars, secrets.Var{Name: key, Value: secrets.NewValue(placeholder)})
	}
	return secrets.NewEnv(name, false, vars)
}

// asCommitted stands for an encrypted file by its ciphertext, which is what a
// reader of the repository has: another one is another content.
func asCommitted(name string, data []byte) *secrets.File {
	if !secrets.IsEncryptedFile(data) {
		return nil
	}
	return secrets.NewFile(name, secrets.NewValue(string(data)))
}

// plainDigest names content that is made of placeholders.
func plainDigest(parts ...[]byte) string {
	sum := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(sum, "%d ", len(p))
		sum.Write(p)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// rawFileOf is pipeline.yaml of a tree, nil where it has none.
func rawFileOf(tree fs.FS, dir string) ([]byte, error) {
	raw, err := fs.ReadFile(tree, path.Join(dir, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return raw, err
}
