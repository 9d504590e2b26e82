package config

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// A document is deployer.yaml while it is read: where each key stands and
// what is wrong so far.
type document struct {
	file     string // as problems name it
	dir      string // relative paths in the file start here
	anchors  map[string]ast.Node
	lines    map[string]int // by path, of every key and item that the file gives
	inline   []string       // paths of secrets written in the file itself
	problems Problems
	warnings Problems
}

// parse returns the root of the one document in text; nil, with the problem
// noted, where it is no YAML, and nil where there is nothing in it.
func (d *document) parse(text []byte) ast.Node {
	file, err := parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return nil
	}
	var root ast.Node
	d.anchors = map[string]ast.Node{}
	for _, doc := range file.Docs {
		if doc.Body == nil {
			continue
		}
		if root != nil {
			d.problems = append(d.problems, Problem{File: d.file, Line: lineOf(doc.Body),
				Message: "a second YAML document starts here", Hint: "keep everything in one document"})
			return nil
		}
		root = doc.Body
		ast.Walk(anchorFinder(d.anchors), root)
	}
	if root != nil && root.Type() == ast.NullType {
		return nil
	}
	return root
}

func (d *document) syntax(err error) {
	p := Problem{File: d.file, Line: 1, Message: err.Error()}
	var at yaml.Error
	if errors.As(err, &at) {
		p.Message = at.GetMessage()
		if token := at.GetToken(); token != nil {
			p.Line = token.Position.Line
		}
	}
	d.problems = append(d.problems, p)
}

// fail notes a problem at path.
func (d *document) fail(path, hint, format string, args ...any) {
	d.problems = append(d.problems, d.problem(path, hint, format, args...))
}

// warn notes what works but should not stay.
func (d *document) warn(path, hint, format string, args ...any) {
	d.warnings = append(d.warnings, d.problem(path, hint, format, args...))
}

func (d *document) problem(path, hint, format string, args ...any) Problem {
	return Problem{File: d.file, Line: d.line(path), Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// given reports whether the file has something at path. What is given but
// wrong was reported when it was decoded, so it is not missing as well.
func (d *document) given(path string) bool {
	_, ok := d.lines[path]
	return ok
}

// ok reports whether the file gives something at path that was fine so far.
func (d *document) ok(path string) bool {
	return d.given(path) && !slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == path })
}

// sound reports whether nothing is wrong at path and below it so far.
func (d *document) sound(path string) bool {
	return !slices.ContainsFunc(d.problems, func(p Problem) bool {
		rest, within := strings.CutPrefix(p.Path, path)
		return within && (rest == "" || rest[0] == '.' || rest[0] == '[')
	})
}

// require notes a problem unless the file gives the key.
func (d *document) require(path, key, hint string) {
	if !d.given(join(path, key)) {
		d.fail(path, hint, "%s is missing", key)
	}
}

// line finds the line of a path, or of the nearest thing around it.
func (d *document) line(path string) int {
	for path != "" {
		if line, ok := d.lines[path]; ok {
			return line
		}
		path = path[:max(strings.LastIndexAny(path, ".["), 0)]
	}
	return 1
}

// resolve makes a path of the file usable: relative ones start at its folder.
func (d *document) resolve(path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}

// warnOfInlineSecrets speaks up where everyone on the machine can read the
// secrets in the file itself.
func (d *document) warnOfInlineSecrets(mode fs.FileMode) {
	if mode&othersMask == 0 {
		return
	}
	for _, path := range d.inline {
		d.warn(path, "chmod o= "+d.file+", or move the secret to a file of its own",
			"this secret is in a file that every user of the machine can read (mode %04o)", mode.Perm())
	}
}

var plainKey = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// join is the path of a key under path; unusual keys are quoted.
func join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = fmt.Sprintf("%q", key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// item is the path of an item of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
