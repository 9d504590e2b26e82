package state

import "time"

// An IssuanceKind says how a request for a certificate ended.
type IssuanceKind string

// How requests end, as far as a CA counts them.
const (
	CertificateIssued IssuanceKind = "issued"
	CertificateFailed IssuanceKind = "failed" // an authorization of one host failed
)

// An Issuance is one request to a CA for a certificate, seen in a proxy's log
// or storage. CAs count them over every server and restart.
type Issuance struct {
	At       time.Time    `json:"at"`
	Host     string       `json:"host"` // of a certificate: its names, sorted, joined by commas
	Resolver string       `json:"resolver,omitempty"`
	Kind     IssuanceKind `json:"kind"`
	Detail   string       `json:"detail,omitempty"` // the CA's problem
	Nth      int          `json:"nth,omitempty"`    // of those alike in the same second, from 0
}

// issuancesLast is how long issuances are kept: a little longer than the
// longest time over which a CA counts.
const issuancesLast = 8 * 24 * time.Hour
