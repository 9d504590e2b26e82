package state

import (
	"maps"
	"slices"
	"time"
)

// A Release is a commit of a stack with everything needed to run it again,
// known by its fingerprint.
type Release struct {
	ID          string            `json:"id"` // fingerprint
	Stack       string            `json:"stack"`
	Commit      string            `json:"commit"`
	Subject     string            `json:"subject,omitempty"`
	Run         string            `json:"run"`
	Environment string            `json:"environment,omitempty"`
	Directory   string            `json:"directory,omitempty"` // of its files, which a later one may have left
	Images      map[string]string `json:"images"`              // service → image ID
	Digests     map[string]string `json:"digests,omitempty"`   // service → name@sha256:… where its registry has it; the name masked where it is secret
	At          time.Time         `json:"at"`                  // when it became live
	VerifiedAt  *time.Time        `json:"verified_at,omitempty"`
}

// A ReleaseRef names a release in a sentence about a stack.
type ReleaseRef struct {
	ID     string    `json:"id"`
	Commit string    `json:"commit"`
	Run    string    `json:"run"`
	At     time.Time `json:"at"`
}

// A Quarantine is a release that was tried and failed.
type Quarantine struct {
	Release string    `json:"release"` // fingerprint
	Commit  string    `json:"commit"`
	Run     string    `json:"run"`
	Why     string    `json:"why"`
	At      time.Time `json:"at"`
}

// ImageIDs are the images that a release runs, each once, in order.
func (r *Release) ImageIDs() []string {
	return slices.Compact(slices.Sorted(maps.Values(r.Images)))
}
