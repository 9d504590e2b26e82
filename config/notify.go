package config

import (
	"net/url"
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// A Notifier is a place that messages go to. Its URL holds a token as a rule,
// so it is a secret as a whole.
type Notifier struct {
	URL Secret `yaml:"url"`
}

// decodeNode takes the URL alone as well as {url}, {url_file} or {url_env}.
func (n *Notifier) decodeNode(d *document, node ast.Node, path string) {
	if _, ok := d.follow(node).(ast.MapNode); ok {
		d.structure(node, path, reflect.ValueOf(n).Elem())
		return
	}
	n.URL.decodeForm(d, formInline, node, path)
}

func (n Notifier) validate(doc *document, path string) {
	if !n.URL.given {
		doc.fail(path, "give url, url_file or url_env", "url is missing")
		return
	}
	if u, err := url.Parse(n.URL.Reveal()); !n.URL.Empty() && (err != nil || u.Scheme == "") {
		doc.fail(path, "write it with its service, such as slack://…", "this is not a URL")
	}
}
