package project

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

const extensionKey = "x-deployer"

// keepFiles is the value of `files` that lets a service own its mounted files.
const keepFiles = "keep"

// An extension is what a service says to deployer under x-deployer.
type extension struct {
	neverRollback bool
	keep          bool              // every writable mount of tracked content
	files         map[string]string // tree path → keep, or a folder of the host
}

func (l *load) extension(s types.ServiceConfig) (extension, error) {
	raw, ok := s.Extensions[extensionKey]
	if !ok {
		return extension{}, nil
	}
	ext, err := l.parseExtension(raw)
	if err != nil {
		return extension{}, fmt.Errorf("service %s: %s: %w", s.Name, extensionKey, err)
	}
	return ext, nil
}

func (l *load) parseExtension(raw any) (extension, error) {
	ext := extension{files: map[string]string{}}
	m, ok := raw.(map[string]any)
	if !ok {
		return ext, errors.New("it is a mapping with `rollback` and `files`")
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		switch key {
		case "rollback":
			if m[key] != "never" {
				return ext, fmt.Errorf("rollback: %v is not known; write `never`, or leave it out", m[key])
			}
			ext.neverRollback = true
		case "files":
			if err := l.parseFiles(&ext, m[key]); err != nil {
				return ext, fmt.Errorf("files: %w", err)
			}
		default:
			return ext, fmt.Errorf("%s is not known; there are `rollback` and `files`", key)
		}
	}
	return ext, nil
}

func (l *load) parseFiles(ext *extension, raw any) error {
	if raw == keepFiles {
		ext.keep = true
		return nil
	}
	m, ok := raw.(map[string]any)
	if !ok {
		return fmt.Errorf("%v is not known; write `keep`, or a mapping from a mounted path to a folder of the host", raw)
	}
	for _, from := range slices.Sorted(maps.Keys(m)) {
		to, _ := m[from].(string)
		if to != keepFiles && !path.IsAbs(to) {
			return fmt.Errorf("%s: %v is neither `keep` nor an absolute path of the host", from, m[from])
		}
		p, err := confine(l.dir, from)
		if err != nil {
			return err
		}
		ext.files[p] = to
	}
	return nil
}

// checkExtensions refuses x-deployer where nothing reads it.
func checkExtensions(c *types.Project) error {
	if _, ok := c.Extensions[extensionKey]; ok {
		return fmt.Errorf("%s at the top of a compose file has no meaning; put it into a service", extensionKey)
	}
	return nil
}

// unused names the paths of `files` that the service does not mount.
func (e extension) unused(placed map[string]bool) error {
	var names []string
	for p := range e.files {
		if !placed[p] {
			names = append(names, p)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s: files: the service mounts no %s; write the path as in its volumes", extensionKey, strings.Join(names, ", "))
}
