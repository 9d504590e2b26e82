package policy

import (
	"github.com/distribution/reference"
)

// image judges where an image comes from, and whether its name says which it is.
func (j *judge) image(subject, name string) {
	ref, err := reference.ParseNormalizedNamed(name)
	if err != nil { // an ID of the Engine
		j.find(finding{rule: "registry", from: onDemand, subject: subject, what: "image: " + name,
			why: "where it comes from cannot be told", remedy: "name it by its registry"})
		return
	}
	j.find(finding{rule: "registry", from: onDemand, parameter: ref.Name(), subject: subject, what: "image: " + name,
		why: "its registry is not allowed", remedy: "take it from a registry that is"})
	if _, ok := ref.(reference.Digested); ok {
		return
	}
	j.find(finding{rule: "no_digest", from: onDemand, subject: subject, what: "image: " + name,
		why: "a tag can be moved to another image", remedy: "write it as " + reference.FamiliarName(ref) + ":TAG@sha256:…"})
	if tagged, ok := ref.(reference.Tagged); !ok || tagged.Tag() == "latest" {
		j.find(finding{rule: "latest_tag", from: strict, subject: subject, what: "image: " + name,
			why: "what latest is changes without a commit", remedy: "write the version"})
	}
}
