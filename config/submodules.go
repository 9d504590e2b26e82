package config

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Submodules says where the submodules of a repository may be fetched from.
type Submodules struct {
	Off  bool
	From []string // URLs that they must be at or below; none: the server of the repository's url
}

const submodulesHint = "write off, or a list such as [https://git.example.com/acme/]"

// decodeNode takes off, or a list of URLs.
func (s *Submodules) decodeNode(d *document, n ast.Node, path string) {
	if _, ok := d.follow(n).(*ast.SequenceNode); !ok {
		word, ok := d.scalar(n, path)
		s.Off = word == "off"
		if ok && !s.Off {
			d.fail(path, submodulesHint, "%q is neither", word)
		}
		return
	}
	items := d.items(n, path)
	for i, value := range items {
		if text, ok := d.scalar(value, item(path, i)); ok {
			s.From = append(s.From, text)
		}
	}
	if len(items) == 0 {
		d.fail(path, submodulesHint, "this list is empty")
	}
}

// validate checks what a list allows; kind is the transport of the repository.
func (s Submodules) validate(doc *document, path string, kind transport) {
	for i, text := range s.From {
		at := item(path, i)
		if !doc.ok(at) {
			continue
		}
		switch from := validateGitURL(doc, at, text); {
		case from == transportFile && kind != "" && kind != transportFile:
			doc.fail(at, "take it out: only a repository with a file:// url can have submodules on this machine", "this is a folder of this machine")
		case from != "" && !plainPrefix(from, text):
			doc.fail(at, "write the beginning of their urls: all that is below it is allowed", "this is no plain URL")
		}
	}
}

// plainPrefix reports whether a URL says in one way only what is below it.
func plainPrefix(kind transport, text string) bool {
	_, rest, long := strings.Cut(text, "://")
	if kind == transportSSH && !long && strings.Count(text, ":") > 1 {
		return false // a port, to some
	}
	return !strings.Contains(rest, "//") && !strings.Contains(rest+"/", "/../") && !strings.ContainsAny(text, `*%\`)
}
