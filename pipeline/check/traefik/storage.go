package traefik

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A Storage is what Traefik keeps in acme.json, by the resolver's name. The
// private keys in it are not read.
type Storage map[string]Held

// Held is what a resolver has: its account and its certificates.
type Held struct {
	Email        string
	Account      string // its URL at the CA; empty before it is registered
	Certificates []Certificate
}

// A Certificate is one that the CA has issued.
type Certificate struct {
	Main  string
	SANs  []string
	Chain []*x509.Certificate // the leaf first
}

// ErrEmpty is a storage in which nothing was stored yet.
var ErrEmpty = errors.New("the storage is empty: no account and no certificate was stored yet")

// ReadStorage reads acme.json.
func ReadStorage(data []byte) (Storage, error) {
	if strings.TrimSpace(string(data)) == "" {
		return nil, ErrEmpty
	}
	var file map[string]struct {
		Account *struct {
			Email        string
			Registration *struct {
				URI string `json:"uri"`
			}
		}
		Certificates []struct {
			Domain struct {
				Main string   `json:"main"`
				SANs []string `json:"sans"`
			} `json:"domain"`
			Certificate []byte `json:"certificate"` // PEM
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, errors.New("it is not the JSON that Traefik writes") // the library's error may quote a key
	}
	out := Storage{}
	for name, r := range file {
		var resolver Held
		if r.Account != nil {
			resolver.Email = r.Account.Email
			if r.Account.Registration != nil {
				resolver.Account = r.Account.Registration.URI
			}
		}
		for _, c := range r.Certificates {
			chain, err := readChain(c.Certificate)
			if err != nil {
				return nil, fmt.Errorf("certificate of %s in resolver %s: %w", c.Domain.Main, name, err)
			}
			resolver.Certificates = append(resolver.Certificates, Certificate{c.Domain.Main, c.Domain.SANs, chain})
		}
		out[name] = resolver
	}
	return out, nil
}

func readChain(data []byte) ([]*x509.Certificate, error) {
	var chain []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("it cannot be read")
		}
		chain = append(chain, c)
	}
	if len(chain) == 0 {
		return nil, errors.New("it is not in PEM form")
	}
	return chain, nil
}

// Names are those that the certificate was asked for, as Traefik has them.
func (c Certificate) Names() []string { return append([]string{c.Main}, c.SANs...) }

// For returns the resolver's certificate for a host, the one that lasts
// longest where there are several.
func (r Held) For(host string) (Certificate, bool) {
	var best Certificate
	for _, c := range r.Certificates {
		if c.Chain[0].VerifyHostname(host) == nil && (best.Chain == nil || c.Chain[0].NotAfter.After(best.Chain[0].NotAfter)) {
			best = c
		}
	}
	return best, best.Chain != nil
}

// Set is the name of a set of names, whatever their order and case: what a
// CA counts duplicates by.
func Set(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strings.ToLower(name)
	}
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ",")
}
