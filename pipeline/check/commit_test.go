package check

import (
	"crypto/sha1"
	"encoding/hex"
	"io/fs"
	"path"
	"testing"
	"testing/fstest"

	"deployer/project"
	"deployer/secrets"
)

// committedFiles are what a repository holds, by path.
type committedFiles map[string]string

// A tree is a commit as the project reads it.
type tree struct{ fstest.MapFS }

func (t tree) Hash(name string) (string, error) {
	if _, err := fs.Stat(t, name); err != nil {
		return "", err
	}
	sum := sha1.Sum([]byte(name))
	return hex.EncodeToString(sum[:]), nil
}

func (c committedFiles) tree() tree {
	out := fstest.MapFS{}
	for name, content := range c {
		out[name] = &fstest.MapFile{Data: []byte(content), Mode: 0o644}
	}
	return tree{out}
}

// world resolves the stack in the folder dir of a commit.
func (c committedFiles) world(t *testing.T, dir string, env *secrets.Env) *World {
	t.Helper()
	all := c.tree()
	if env == nil {
		env = environment()
	}
	p, err := project.Load(t.Context(), project.Source{
		Tree: all, Dir: dir, Name: "shop", Env: env,
		Roots: project.Roots{Objects: "/d/objects", Copies: "/d/copies", Data: "/d/data", Secrets: "/d/secrets"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &World{Project: p, Env: env, ReadFile: func(name string) ([]byte, error) { return fs.ReadFile(all, path.Join(dir, name)) }}
}
