package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"slices"
)

// Access says who may call and which deliveries are taken.
type Access struct {
	Tokens []Token
	Hooks  map[string]Hook // by repository
}

// A Role is what a token allows: each includes the ones before it.
type Role string

// The roles, from the least to the most. A route that is open asks for none.
const (
	open         Role = ""
	RoleViewer   Role = "viewer"
	RoleDeployer Role = "deployer"
	RoleAdmin    Role = "admin"
)

var ranks = []Role{RoleViewer, RoleDeployer, RoleAdmin}

// includes reports whether r allows what needs the other role. A role that is
// not known allows nothing.
func (r Role) includes(needed Role) bool {
	has, needs := slices.Index(ranks, r), slices.Index(ranks, needed)
	return has >= 0 && needs >= 0 && has >= needs
}

// A Token lets a person or a script in. Only its hash is known here.
type Token struct {
	Name   string
	Role   Role
	SHA256 [sha256.Size]byte
}

// find returns the token with that hash. It compares with every one, so that
// time does not tell how far a guess went.
func (a *Access) find(hash [sha256.Size]byte) (Token, bool) {
	var found Token
	ok := false
	for _, t := range a.Tokens {
		if subtle.ConstantTimeCompare(t.SHA256[:], hash[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
