package project

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"

	"deployer/secrets"
)

// A Build is an image that a service wants built from files of the commit.
type Build struct {
	Service    string
	Config     types.BuildConfig
	Dockerfile string   // its name in Context
	Context    []byte   // a tar
	Files      []string // of the tree, that are in it
	Hash       string   // of the context and of all that the build is told
	Ciphertext []Ciphertext

	sealed []string    // files in Context that SOPS encrypted
	script *dockerfile // nil where it cannot be read
}

// inlineDockerfile is the name of a Dockerfile that the compose file holds.
const inlineDockerfile = ".deployer.Dockerfile"

// maxContext bounds a build context: it is held in memory.
const maxContext = 256 << 20

// Build packs what one of Builds is made of.
func (p *Project) Build(tree Tree, service string) (*Build, error) {
	s := p.Compose.Services[service]
	if s.Build == nil {
		return nil, fmt.Errorf("service %s has nothing to build", service)
	}
	b := &Build{Service: service, Config: *s.Build, Dockerfile: s.Build.Dockerfile}
	if err := b.supported(); err != nil {
		return nil, fmt.Errorf("service %s: build: %w", service, err)
	}
	if b.Dockerfile == "" {
		b.Dockerfile = "Dockerfile"
	}
	dir := path.Clean(s.Build.Context)
	if err := b.pack(tree, dir); err != nil {
		return nil, fmt.Errorf("service %s: build context %s: %w", service, p.Local(s.Build.Context), err)
	}
	b.script = readDockerfile(tree, &b.Config)
	b.ciphertext(p, dir)
	told := b.Config
	told.Context = ""
	config, err := json.Marshal(told)
	if err != nil {
		return nil, fmt.Errorf("service %s: build: %w", service, err)
	}
	sum := sha256.New()
	for _, part := range [][]byte{config, []byte(b.Dockerfile), []byte(s.Platform), b.Context} {
		fmt.Fprintf(sum, "%d ", len(part))
		sum.Write(part)
	}
	b.Hash = hex.EncodeToString(sum.Sum(nil))
	return b, nil
}

// supported refuses by name what the Engine's own builder cannot do.
func (b *Build) supported() error {
	c := b.Config
	for key, used := range map[string]bool{
		"secrets": len(c.Secrets) > 0, "ssh": len(c.SSH) > 0, "additional_contexts": len(c.AdditionalContexts) > 0,
		"entitlements": len(c.Entitlements) > 0, "privileged": c.Privileged, "cache_to": len(c.CacheTo) > 0,
		"platforms": len(c.Platforms) > 1,
	} {
		if used {
			return fmt.Errorf("%s is not supported; build and push the image elsewhere, and name it under image", key)
		}
	}
	if b.Dockerfile != "" && !fs.ValidPath(path.Clean(b.Dockerfile)) {
		return fmt.Errorf("dockerfile: %s leaves the context", b.Dockerfile)
	}
	return nil
}

// pack writes the context as it always comes out of the same tree.
func (b *Build) pack(tree Tree, dir string) error {
	ignored, err := ignores(tree, dir)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	err = fs.WalkDir(tree, dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(strings.TrimPrefix(p, dir), "/")
		if dir == "." {
			name = p
		}
		if name == "" || name == "." || d.IsDir() && d.Type()&fs.ModeIrregular == 0 {
			return nil
		}
		if d.IsDir() { // a submodule, which would be fetched
			if skip, err := ignored.MatchesOrParentMatches(name); err != nil || !skip || ignored.Exclusions() {
				return err
			}
			return fs.SkipDir
		}
		if skip, err := ignored.MatchesOrParentMatches(name); err != nil || skip && name != b.Dockerfile {
			return err
		}
		b.Files = append(b.Files, p)
		if err := b.addFile(w, tree, p, name, d); err != nil {
			return err
		}
		return fits(out.Len())
	})
	if err == nil && b.Config.DockerfileInline != "" {
		b.Dockerfile = inlineDockerfile
		content := []byte(b.Config.DockerfileInline)
		err = errors.Join(w.WriteHeader(&tar.Header{Name: b.Dockerfile, Mode: 0o644, Size: int64(len(content))}), write(w, content))
	}
	if err == nil && b.Config.DockerfileInline == "" && !slices.Contains(b.Files, path.Join(dir, b.Dockerfile)) {
		err = fmt.Errorf("%s is not in the commit", b.Dockerfile)
	}
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	b.Context = out.Bytes()
	return nil
}

func fits(size int) error {
	if size <= maxContext {
		return nil
	}
	return fmt.Errorf("it has more than %d MiB, which are the most that is taken; leave out what the build does not need with .dockerignore", maxContext>>20)
}

func (b *Build) addFile(w *tar.Writer, tree Tree, p, name string, d fs.DirEntry) error {
	switch {
	case d.Type()&fs.ModeSymlink != 0:
		target, err := fs.ReadLink(tree, p)
		if err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777})
	case !d.Type().IsRegular():
		return fmt.Errorf("%s is neither a file nor a folder; leave it out with .dockerignore", p)
	}
	info, err := d.Info()
	if err != nil {
		return err
	}
	content, err := fs.ReadFile(tree, p)
	if err != nil {
		return err
	}
	if IsLFSPointer(content) {
		return fmt.Errorf("%s is a pointer of Git LFS, not the file itself; commit the file without LFS, or leave it out with .dockerignore", p)
	}
	if secrets.IsEncryptedFile(content) {
		b.sealed = append(b.sealed, name)
	}
	mode := int64(0o644)
	if info.Mode()&0o111 != 0 {
		mode = 0o755
	}
	return errors.Join(w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(content))}), write(w, content))
}

func write(w io.Writer, content []byte) error {
	_, err := w.Write(content)
	return err
}

func ignores(tree Tree, dir string) (*patternmatcher.PatternMatcher, error) {
	raw, err := fs.ReadFile(tree, path.Join(dir, ".dockerignore"))
	if errors.Is(err, fs.ErrNotExist) {
		return patternmatcher.New(nil)
	}
	if err != nil {
		return nil, err
	}
	patterns, err := ignorefile.ReadAll(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf(".dockerignore: %w", err)
	}
	return patternmatcher.New(patterns)
}

// Built makes a service run an image that was built for it.
func (p *Project) Built(b *Build, image string) {
	s := p.Compose.Services[b.Service]
	s.Image, s.Build, s.PullPolicy = image, nil, types.PullPolicyNever
	p.Compose.Services[b.Service] = s
	p.Reads = append(p.Reads, b.Files...)
	p.Reads = append(p.Reads, path.Clean(b.Config.Context)) // a file that is added to it counts too
	slices.Sort(p.Reads)
	p.Reads = slices.Compact(p.Reads)
}
