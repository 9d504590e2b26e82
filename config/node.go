package config

import (
	"fmt"

	"github.com/goccy/go-yaml/ast"
)

// maxIndirection bounds chains of anchors, aliases and merges, which YAML
// allows to be endless.
const maxIndirection = 32

// An entry is a key of a mapping with its value.
type entry struct {
	key   string
	line  int
	value ast.Node
}

// anchorFinder collects anchored nodes while the tree is walked.
type anchorFinder map[string]ast.Node

func (f anchorFinder) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		f[anchor.Name.GetToken().Value] = anchor.Value
	}
	return f
}

// follow returns the node that n stands for: anchors, aliases and tags are
// only ways to write it.
func (d *document) follow(n ast.Node) ast.Node {
	for range maxIndirection {
		switch node := n.(type) {
		case *ast.AnchorNode:
			n = node.Value
		case *ast.AliasNode:
			n = d.anchors[node.Value.GetToken().Value]
		case *ast.TagNode:
			n = node.Value
		default:
			return n
		}
	}
	return nil
}

// entries returns the keys of a mapping, merged ones last, and notes a problem
// where n is no mapping or gives a key twice.
func (d *document) entries(n ast.Node, path string) []entry {
	var own []entry
	seen := map[string]int{}
	d.collect(n, path, maxIndirection, func(e entry, merged bool) {
		if first, twice := seen[e.key]; !twice {
			seen[e.key] = e.line
			own = append(own, e)
		} else if !merged {
			d.problems = append(d.problems, Problem{File: d.file, Line: e.line, Path: join(path, e.key),
				Message: "this key is given twice", Hint: fmt.Sprintf("the other one is in line %d", first)})
		}
	})
	return own
}

func (d *document) collect(n ast.Node, path string, depth int, add func(e entry, merged bool)) {
	mapping, ok := d.follow(n).(ast.MapNode)
	if !ok || depth == 0 {
		d.mismatch(n, path, "a mapping of keys to values")
		return
	}
	var merges []ast.Node
	for at := mapping.MapRange(); at.Next(); {
		key := at.Key()
		if key.IsMergeKey() {
			merges = append(merges, at.Value())
			continue
		}
		add(entry{key: keyText(key), line: lineOf(key), value: at.Value()}, depth < maxIndirection)
	}
	for _, m := range merges {
		d.collect(m, path, depth-1, add)
	}
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(*ast.StringNode); ok {
		return s.Value
	}
	return key.GetToken().Value
}

// scalar returns the text of a single value as it is written, so that 1.10
// stays 1.10, and notes a problem where n is none.
func (d *document) scalar(n ast.Node, path string) (string, bool) {
	switch node := d.follow(n).(type) {
	case *ast.StringNode:
		return node.Value, true
	case *ast.LiteralNode:
		return node.Value.Value, true
	case *ast.NullNode:
	case ast.ScalarNode:
		return node.GetToken().Value, true
	}
	d.mismatch(n, path, "a single value")
	return "", false
}

// items returns the items of a list, and notes a problem where n is none.
func (d *document) items(n ast.Node, path string) []ast.Node {
	list, ok := d.follow(n).(*ast.SequenceNode)
	if !ok {
		d.mismatch(n, path, "a list")
		return nil
	}
	for i, value := range list.Values {
		d.lines[item(path, i)] = lineOf(value)
	}
	return list.Values
}

func (d *document) mismatch(n ast.Node, path, want string) {
	if d.follow(n) == nil {
		d.fail(path, "", "this alias stands for nothing")
		return
	}
	d.fail(path, "", "this should be %s", want)
}

func (d *document) null(n ast.Node) bool {
	_, ok := d.follow(n).(*ast.NullNode)
	return ok
}

// lineOf is the first line of a node. A mapping's own token is the colon of
// its first key.
func lineOf(n ast.Node) int {
	if m, ok := n.(ast.MapNode); ok {
		if at := m.MapRange(); at.Next() {
			return lineOf(at.Key())
		}
	}
	return n.GetToken().Position.Line
}
