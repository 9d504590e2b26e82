package project

import (
	"fmt"
	"path"
	"strings"
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
// copies, each at the instruction that says most.
func (b *Build) ciphertext(p *Project, dir string) {
	if b.script == nil {
		return
	}
	takings := b.script.takings()
	for _, sealed := range b.sealed {
		file := path.Join(dir, sealed)
		found := Ciphertext{Service: b.Service, Path: p.Local(file), File: file, Dockerfile: b.script.name}
		for _, t := range takings {
			if takes, named := copies(t.source, sealed); takes && (found.Line == 0 || named && !found.Named) {
				found.Line, found.Named = t.line, named
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
