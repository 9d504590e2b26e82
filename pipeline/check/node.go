package check

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

type nodeKind string

const (
	aScalar nodeKind = "a single value"
	aList   nodeKind = "a list"
	aTable  nodeKind = "a table"
	nothing nodeKind = "nothing"
)

// A node is a YAML value whose scalars are kept as they are written, so that
// 1.10, yes and ${PORT} reach the field that they are for unharmed.
type node struct {
	kind  nodeKind
	text  string // of a scalar
	list  []node
	table []entry
	at    *token.Token

	filled *text // of a scalar that stands for a word of a variable's value
}

// An entry is one key of a table.
type entry struct {
	key   string
	at    *token.Token
	value node
}

// newNode reads a node of a document. Aliases are refused: their anchors are
// out of reach here.
func newNode(n ast.Node) (node, error) {
	out := node{at: n.GetToken()}
	var err error
	switch n := n.(type) {
	case *ast.TagNode:
		return out, &fieldError{at: out.at, message: "tags are not supported in a check"}
	case *ast.AnchorNode:
		return newNode(n.Value)
	case *ast.AliasNode:
		return out, &fieldError{at: out.at, message: "aliases are not supported in a check: write the value out"}
	case *ast.NullNode:
		out.kind = nothing
	case *ast.LiteralNode:
		out.kind, out.text = aScalar, n.Value.Value
	case ast.ScalarNode:
		out.kind, out.text = aScalar, n.GetToken().Value
	case *ast.SequenceNode:
		out.kind = aList
		for _, item := range n.Values {
			child, err := newNode(item)
			if err != nil {
				return out, err
			}
			out.list = append(out.list, child)
		}
	case ast.MapNode:
		out.kind = aTable
		out.table, err = newTable(n)
	default:
		return out, &fieldError{at: out.at, message: fmt.Sprintf("unexpected %s", n.Type())}
	}
	return out, err
}

func newTable(n ast.MapNode) ([]entry, error) {
	var table []entry
	seen := make(map[string]bool)
	for iter := n.MapRange(); iter.Next(); {
		at := iter.Key().GetToken()
		if iter.Key().IsMergeKey() {
			return nil, &fieldError{at: at, message: "merge keys are not supported in a check: write the fields out"}
		}
		if seen[at.Value] {
			return nil, &fieldError{at: at, message: fmt.Sprintf("%q is given twice", at.Value)}
		}
		seen[at.Value] = true
		value, err := newNode(iter.Value())
		if err != nil {
			return nil, err
		}
		table = append(table, entry{at.Value, at, value})
	}
	return table, nil
}

// get returns the value of a key, a node of nothing where there is none.
func (n node) get(key string) node {
	for _, e := range n.table {
		if e.key == key {
			return e.value
		}
	}
	return node{kind: nothing}
}

// data returns the node as plain Go values, every scalar as a string.
func (n node) data() any {
	switch n.kind {
	case aScalar:
		return n.text
	case aList:
		out := make([]any, len(n.list))
		for i, item := range n.list {
			out[i] = item.data()
		}
		return out
	case aTable:
		out := make(map[string]any, len(n.table))
		for _, e := range n.table {
			out[e.key] = e.value.data()
		}
		return out
	}
	return nil
}

// show returns the node on one line, with the variables that find knows.
func (n node) show(find lookup) string {
	switch n.kind {
	case aScalar:
		x, err := expand(n.text, find)
		if err != nil {
			return n.text
		}
		return x.shown
	case aList:
		words := make([]string, len(n.list))
		for i, item := range n.list {
			words[i] = item.show(find)
		}
		return strings.Join(words, " ")
	}
	return ""
}
