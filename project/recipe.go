package project

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"deployer/secrets"
)

// A Recipe is everything that is needed to resolve a project again without
// Git: the files that were read, the decrypted env files, and the hash and
// kind of each path that was looked at. It is a Tree of its own. Of mounted
// files it has those that were decrypted; the others are on the Engine's host
// already.
//
// A Recipe holds secrets. Only Encode gives them, for sealing; printed or
// marshalled otherwise it names its files alone. Add must not be called while
// the recipe is used elsewhere.
type Recipe struct {
	files   map[string][]byte
	entries map[string]entry
	env     *secrets.Document           // the stack's own
	envs    map[string]secrets.Document // of services and includes, by path
	sealed  map[string]*secrets.File    // decrypted files that are mounted, by path
}

// Recipe returns what resolves to this project again.
func (p *Project) Recipe() *Recipe {
	r := &Recipe{
		files:   maps.Clone(p.view.files),
		entries: maps.Clone(p.view.entries),
		envs:    make(map[string]secrets.Document, len(p.view.envs)),
		sealed:  map[string]*secrets.File{},
	}
	if p.Env != nil {
		doc := p.Env.Document()
		r.env = &doc
	}
	for path, env := range p.view.envs {
		r.envs[path] = env.Document()
	}
	for _, file := range p.Sealed() {
		r.sealed[file.Path()] = file
	}
	return r
}

// Add puts another file of the commit into the recipe.
func (r *Recipe) Add(p string, data []byte) {
	r.files[p] = data
	if _, ok := r.entries[p]; !ok {
		r.entries[p] = entry{Kind: entryFile}
	}
}

// ReadFile returns the content of a file; fs.ErrNotExist or ErrNoContent
// where the recipe has none.
func (r *Recipe) ReadFile(p string) ([]byte, error) {
	if data, ok := r.files[p]; ok {
		return bytes.Clone(data), nil
	}
	return nil, r.without(p)
}

// Env is the stack's own env, for interpolation; nil where it has none.
func (r *Recipe) Env() (*secrets.Env, error) {
	if r.env == nil {
		return nil, nil
	}
	return secrets.OpenDocument(*r.env)
}

// OpenEnv returns an env file as it was when the recipe was made. One that
// was not opened then was plain.
func (r *Recipe) OpenEnv(p string, data []byte) (*secrets.Env, error) {
	doc, ok := r.envs[p]
	if !ok {
		doc = secrets.Document{Path: p, Text: secrets.NewValue(string(data))}
	}
	return secrets.OpenDocument(doc)
}

// Hash implements Tree.
func (r *Recipe) Hash(p string) (string, error) {
	e := r.entry(p)
	if e.Kind == entryAbsent {
		return "", &fs.PathError{Op: "hash", Path: p, Err: fs.ErrNotExist}
	}
	return e.Hash, nil
}

// ErrNoContent says that a recipe knows a path but does not keep its content.
var ErrNoContent = errors.New("the release keeps the hash of this path, not its content")

// Open implements fs.FS. Files that were only mounted give ErrNoContent.
func (r *Recipe) Open(p string) (fs.File, error) {
	if data, ok := r.files[p]; ok {
		return &recipeFile{Reader: bytes.NewReader(data), name: path.Base(p), size: int64(len(data))}, nil
	}
	return nil, r.without(p)
}

// without says why there is no content for a path.
func (r *Recipe) without(p string) error {
	err := fs.ErrNotExist
	if r.entry(p).Kind != entryAbsent {
		err = ErrNoContent
	}
	return &fs.PathError{Op: "open", Path: p, Err: err}
}

// entry answers for a path; one that the resolve never asked for is absent.
func (r *Recipe) entry(p string) entry {
	if e, ok := r.entries[p]; ok {
		return e
	}
	return entry{Kind: entryAbsent}
}

// recipeFile is an open file of a recipe, and its own FileInfo.
type recipeFile struct {
	*bytes.Reader
	name string
	size int64
}

func (f *recipeFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *recipeFile) Close() error               { return nil }
func (f *recipeFile) Name() string               { return f.name }
func (f *recipeFile) Size() int64                { return f.size }
func (f *recipeFile) Mode() fs.FileMode          { return 0o444 }
func (f *recipeFile) ModTime() time.Time         { return time.Time{} }
func (f *recipeFile) IsDir() bool                { return false }
func (f *recipeFile) Sys() any                   { return nil }

// Format keeps the content out of every verb of fmt.
func (r Recipe) Format(w fmt.State, _ rune) {
	_, _ = fmt.Fprintf(w, "recipe of %v", slices.Sorted(maps.Keys(r.files)))
}

// MarshalJSON names the files and nothing of their content.
func (r Recipe) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string][]string{"files": slices.Sorted(maps.Keys(r.files))})
}

const (
	recipeVersion = 2
	// unsealedVersion is that of recipes without decrypted files, which older
	// programs read as well.
	unsealedVersion = 1
)

type encodedRecipe struct {
	Version int               `json:"version"`
	Files   map[string][]byte `json:"files"`
	Entries map[string]entry  `json:"entries"`
	Env     []byte            `json:"env,omitempty"`
	Envs    map[string][]byte `json:"envs,omitempty"`
	Sealed  map[string][]byte `json:"sealed,omitempty"`
}

// Encode returns the whole recipe in plain, secrets too, to be sealed.
func (r *Recipe) Encode() ([]byte, error) {
	out := encodedRecipe{Version: unsealedVersion, Files: r.files, Entries: r.entries, Envs: map[string][]byte{}, Sealed: map[string][]byte{}}
	if r.env != nil {
		out.Env = r.env.Encode()
	}
	for p, doc := range r.envs {
		out.Envs[p] = doc.Encode()
	}
	for p, file := range r.sealed {
		out.Version, out.Sealed[p] = recipeVersion, file.Encode()
	}
	return json.Marshal(out)
}

// DecodeRecipe reads what Encode wrote.
func DecodeRecipe(data []byte) (*Recipe, error) {
	var in encodedRecipe
	decoder := json.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(&in); err != nil || decoder.More() {
		// The error of the decoder quotes what it met.
		return nil, errors.New("kept recipe is damaged: it is no encoded recipe")
	}
	if in.Version != recipeVersion && in.Version != unsealedVersion {
		return nil, fmt.Errorf("kept recipe has version %d, this program reads %d", in.Version, recipeVersion)
	}
	r := &Recipe{files: in.Files, entries: in.Entries, envs: map[string]secrets.Document{}, sealed: map[string]*secrets.File{}}
	if r.files == nil {
		r.files = map[string][]byte{}
	}
	if r.entries == nil {
		r.entries = map[string]entry{}
	}
	if in.Env != nil {
		doc, err := secrets.DecodeDocument(in.Env)
		if err != nil {
			return nil, err
		}
		r.env = &doc
	}
	for p, kept := range in.Envs {
		doc, err := secrets.DecodeDocument(kept)
		if err != nil {
			return nil, err
		}
		r.envs[p] = doc
	}
	for p, kept := range in.Sealed {
		file, err := secrets.DecodeFile(kept)
		if err != nil {
			return nil, err
		}
		r.sealed[p] = file
	}
	return r, nil
}

var _ Tree = (*Recipe)(nil)
