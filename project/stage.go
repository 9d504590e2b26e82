package project

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A stage is a private folder with the files that the library insists on
// reading from disk. Nothing decrypted goes there: an include's variables are
// written as references into the environment that the load is given.
type stage struct {
	load    *load
	folder  string
	env     map[string]string // of the load; gets the variables of includes
	written int
}

func newStage(l *load, env map[string]string) (*stage, error) {
	folder, err := os.MkdirTemp(memoryFolder(), stagePrefix())
	if err != nil {
		return nil, fmt.Errorf("make a folder for included compose files: %w", err)
	}
	l.root = filepath.Join(folder, "tree")
	return &stage{load: l, folder: folder, env: env}, nil
}

// stagePrefix tells whose a folder is that a killed process has left.
func stagePrefix() string { return fmt.Sprintf("deployer-compose-%d-", os.Getpid()) }

// memoryFolder is where files need not touch a disk; empty for the default.
func memoryFolder() string {
	if info, err := os.Stat("/dev/shm"); err == nil && info.IsDir() {
		return "/dev/shm"
	}
	return ""
}

func (s *stage) remove() { _ = os.RemoveAll(s.folder) }

// write lays out what top reaches, and returns the content of its own files,
// which the library takes from memory.
func (s *stage) write(w *walk, top *unit) (map[string][]byte, error) {
	for p := range w.extended {
		if err := s.put(filepath.Join(s.load.root, p), s.load.view.files[p]); err != nil {
			return nil, err
		}
	}
	// Compose looks whether a working folder is there to tell it from a file.
	if err := os.MkdirAll(filepath.Join(s.load.root, top.dir), 0o700); err != nil {
		return nil, fmt.Errorf("lay out compose files: %w", err)
	}
	content := map[string][]byte{}
	for _, f := range top.files {
		data, err := s.render(top, f)
		if err != nil {
			return nil, err
		}
		content[f] = data
	}
	return content, nil
}

// render is the content of a file with its includes pointing into the stage.
// Each include is a file of its own there, since what it includes in turn
// depends on the env that it is loaded with.
func (s *stage) render(u *unit, file string) ([]byte, error) {
	data := s.load.view.files[file]
	includes := u.includes[file]
	if len(includes) == 0 {
		return data, nil
	}
	var list []stagedInclude
	for _, inc := range includes {
		staged, err := s.include(u, inc)
		if err != nil {
			return nil, err
		}
		list = append(list, staged)
	}
	out, err := replaceIncludes(data, list)
	if err != nil {
		return nil, fmt.Errorf("%s: includes: %w", file, err)
	}
	return out, nil
}

type stagedInclude struct {
	Path             []string `yaml:"path"`
	ProjectDirectory string   `yaml:"project_directory"`
	EnvFile          []string `yaml:"env_file"`
}

// escaped keeps a $ in a path from being taken for a variable.
func (i stagedInclude) escaped() stagedInclude {
	dollar := func(s string) string { return strings.ReplaceAll(s, "$", "$$") }
	out := stagedInclude{ProjectDirectory: dollar(i.ProjectDirectory)}
	for _, p := range i.Path {
		out.Path = append(out.Path, dollar(p))
	}
	for _, p := range i.EnvFile {
		out.EnvFile = append(out.EnvFile, dollar(p))
	}
	return out
}

func (s *stage) include(parent, inc *unit) (stagedInclude, error) {
	s.written++
	number := s.written
	out := stagedInclude{
		ProjectDirectory: filepath.Join(s.load.root, inc.dir),
		EnvFile:          []string{"/dev/null"},
	}
	if err := os.MkdirAll(out.ProjectDirectory, 0o700); err != nil {
		return out, fmt.Errorf("lay out compose files: %w", err)
	}
	for i, f := range inc.files {
		data, err := s.render(inc, f)
		if err != nil {
			return out, err
		}
		p := filepath.Join(s.folder, fmt.Sprintf("include-%d-%d.yaml", number, i))
		if err := s.put(p, data); err != nil {
			return out, err
		}
		s.load.names[p] = f
		out.Path = append(out.Path, p)
	}
	if lines := s.references(number, parent.env, inc.env); lines != "" {
		p := filepath.Join(s.folder, fmt.Sprintf("include-%d.env", number))
		if err := s.put(p, []byte(lines)); err != nil {
			return out, err
		}
		out.EnvFile = []string{p}
	}
	return out, nil
}

// references writes the variables that an include adds as NAME=${other},
// with the value of the other in the environment of the load.
func (s *stage) references(number int, parent, own map[string]string) string {
	var b strings.Builder
	for i, name := range slices.Sorted(maps.Keys(own)) {
		if _, inherited := parent[name]; inherited {
			continue
		}
		other := fmt.Sprintf("DEPLOYER_INCLUDE_%d_%d", number, i)
		s.env[other] = own[name]
		fmt.Fprintf(&b, "%s=${%s}\n", name, other)
	}
	return b.String()
}

func (s *stage) put(p string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return fmt.Errorf("lay out compose files: %w", err)
	}
	if err := os.WriteFile(p, data, 0o600); err != nil {
		return fmt.Errorf("lay out compose files: %w", err)
	}
	return nil
}

// replaceIncludes sets the top-level `include` of a compose file and leaves
// the rest, tags and anchors too, as it is.
func replaceIncludes(data []byte, list []stagedInclude) ([]byte, error) {
	for i := range list {
		list[i] = list[i].escaped()
	}
	var doc, value yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	if err := value.Encode(list); err != nil {
		return nil, err
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return nil, errors.New("the file is no mapping")
	}
	top := doc.Content[0]
	for i := 0; i+1 < len(top.Content); i += 2 {
		if top.Content[i].Value == "include" {
			top.Content[i+1] = &value
			return yaml.Marshal(&doc)
		}
	}
	// It came in by a merge key, which a key of its own overrides.
	top.Content = append(top.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: "include"}, &value)
	return yaml.Marshal(&doc)
}

// countDocuments counts the YAML documents of a file, up to two.
func countDocuments(data []byte) (int, error) {
	if !bytes.Contains(data, []byte("\n---")) && !bytes.Contains(data, []byte("\n...")) {
		return 1, nil
	}
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	for n := 0; ; n++ {
		var node yaml.Node
		if err := decoder.Decode(&node); errors.Is(err, io.EOF) || n == 2 {
			return n, nil
		} else if err != nil {
			return 0, err
		}
	}
}
