package config

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/goccy/go-yaml/ast"
)

// A Role is what a token allows: each role includes the ones before it.
type Role string

// The roles, from the least to the most.
const (
	RoleViewer   Role = "viewer"
	RoleDeployer Role = "deployer"
	RoleAdmin    Role = "admin"
)

// A Token lets a person or a script use the API and the page.
type Token struct {
	Name   string `yaml:"name"` // who acts, in runs and in the audit trail
	Role   Role   `yaml:"role"`
	SHA256 Digest `yaml:"sha256"`
}

// A Digest is the SHA-256 of a token. The token itself is nowhere.
type Digest [sha256.Size]byte

func (g *Digest) decodeNode(d *document, n ast.Node, path string) {
	text, ok := d.scalar(n, path)
	if !ok {
		return
	}
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) != sha256.Size {
		d.fail(path, "`deployer token` makes a token and prints its hash", "this is not a SHA-256 of %d hexadecimal digits", 2*sha256.Size)
		return
	}
	*g = Digest(sum)
	if *g == sha256.Sum256(nil) {
		d.fail(path, "`deployer token` makes a token and prints its hash", "this is the hash of an empty token")
	}
}

func validateTokens(doc *document, tokens []Token) {
	names, digests := map[string]int{}, map[Digest]int{}
	for i, t := range tokens {
		path := item("tokens", i)
		doc.require(path, "name", "say whose token it is")
		doc.require(path, "role", "write viewer, deployer or admin")
		doc.require(path, "sha256", "`deployer token` makes a token and prints its hash")
		if doc.ok(join(path, "name")) && !nameRule.MatchString(t.Name) {
			doc.fail(join(path, "name"), nameHint, "%q cannot be a name", t.Name)
		}
		if doc.ok(join(path, "role")) {
			oneOf(doc, join(path, "role"), t.Role, RoleViewer, RoleDeployer, RoleAdmin)
		}
		if first, twice := names[t.Name]; twice && t.Name != "" {
			doc.fail(join(path, "name"), "give every token a name of its own", "line %d has a token named %s too", first, t.Name)
		}
		if first, twice := digests[t.SHA256]; twice && t.SHA256 != (Digest{}) {
			doc.fail(join(path, "sha256"), "make one for each of them with `deployer token`", "the token in line %d is the same", first)
		}
		names[t.Name] = doc.line(join(path, "name"))
		digests[t.SHA256] = doc.line(join(path, "sha256"))
	}
}
