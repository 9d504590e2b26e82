package project

import (
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// A Ciphertext is a file that SOPS encrypted and that a Dockerfile copies as
// it is committed: nothing of a build decrypts it.
type Ciphertext struct {
	Service    string
	Path       string // from the stack's folder
	File       string // in Tree
	Dockerfile string // its name in the context
	Line       int    // of the Dockerfile
	Named      bool   // by the instruction itself, and not in a folder or by a pattern
}

func (c Ciphertext) String() string {
	return fmt.Sprintf("service %s: line %d of %s copies %s, which is encrypted with SOPS: the build gets the ciphertext", c.Service, c.Line, c.Dockerfile, c.Path)
}

// A SealedCopyError says that an image would be made of ciphertext.
type SealedCopyError struct{ Ciphertext }

func (e *SealedCopyError) Error() string { return e.String() }

// Hint says what to write instead.
func (e *SealedCopyError) Hint() string {
	return "name the file under `secrets:` at the top of the compose file and in the service, which mounts it in plain, from memory, and take it out of the Dockerfile. An image that decrypts by itself copies the folder"
}

// ciphertext finds the encrypted files of the context that the Dockerfile
// copies, each at the instruction that says most. A Dockerfile that cannot be
// read is left to the builder, whose words are better.
func (b *Build) ciphertext(p *Project, tree Tree, dir string) {
	if len(b.sealed) == 0 {
		return
	}
	name := "dockerfile_inline"
	text, err := []byte(b.Config.DockerfileInline), error(nil)
	if len(text) == 0 {
		name = b.Dockerfile
		text, err = fs.ReadFile(tree, path.Join(dir, name))
	}
	if err != nil {
		return
	}
	read, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return
	}
	for _, sealed := range b.sealed {
		found := Ciphertext{Service: b.Service, Path: p.Local(path.Join(dir, sealed)), File: path.Join(dir, sealed), Dockerfile: name}
		for _, n := range b.stages(read.AST.Children) {
			for _, source := range sources(n) {
				if takes, named := copies(source, sealed); takes && (found.Line == 0 || named && !found.Named) {
					found.Line, found.Named = n.StartLine, named
				}
			}
		}
		if found.Line > 0 {
			b.Ciphertext = append(b.Ciphertext, found)
		}
	}
}

// Opens reports whether the stack reads a file of Tree decrypted: its env file,
// one of a service, or what configs and secrets name.
func (p *Project) Opens(file string) bool {
	return p.view.envs[file] != nil || p.view.sealed[file] != nil || p.Env != nil && p.Env.Path() == file
}

// stages are the instructions of the stages that are built: those up to the
// target, which is a name or a number.
func (b *Build) stages(all []*parser.Node) []*parser.Node {
	target, stage := b.Config.Target, -1
	wanted := false
	for i, n := range all {
		if !strings.EqualFold(n.Value, "FROM") {
			continue
		}
		if wanted {
			return all[:i]
		}
		stage++
		words := arguments(n)
		wanted = target != "" && (target == strconv.Itoa(stage) ||
			len(words) == 3 && strings.EqualFold(words[1], "AS") && strings.EqualFold(words[2], target))
	}
	return all
}

func arguments(n *parser.Node) (words []string) {
	for n = n.Next; n != nil; n = n.Next {
		words = append(words, n.Value)
	}
	return words
}

// sources are what an instruction takes from the context.
func sources(n *parser.Node) []string {
	if !strings.EqualFold(n.Value, "COPY") && !strings.EqualFold(n.Value, "ADD") ||
		slices.ContainsFunc(n.Flags, func(f string) bool { return strings.HasPrefix(f, "--from=") }) {
		return nil
	}
	words := arguments(n)
	return words[:max(0, len(words)-1)]
}

// copies reports whether a source has a file of the context with it, and
// whether it is the name of just that file. What a variable stands for is not
// known here.
func copies(source, file string) (takes, named bool) {
	if strings.Contains(source, "$") {
		return false, false
	}
	source = strings.TrimPrefix(path.Clean("/"+source), "/")
	if source == "" || source == file {
		return true, source == file
	}
	for p := file; p != "."; p = path.Dir(p) {
		if match, err := path.Match(source, p); err == nil && match {
			return true, false
		}
	}
	return false, false
}
