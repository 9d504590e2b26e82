package policy

import (
	"github.com/distribution/reference"
)

// bases judges where the images come from that a Dockerfile begins with or
// copies from. Where that cannot be told, they may come from anywhere.
func (j *judge) bases(subject, service string) {
	any := finding{rule: "registry", from: onDemand, parameter: "build", subject: subject, what: "build:",
		why: "what its Dockerfile begins with cannot be told, and may come from any registry", remedy: "write the names of its images out"}
	if !j.policy.refuses(any) {
		return
	}
	bases, ok := j.project.BasesOf(service)
	if !ok {
		j.find(any)
	}
	for _, base := range bases {
		f := finding{rule: "registry", from: onDemand, parameter: "build", subject: subject, what: "build: FROM " + base.Ref,
			why: "its registry is not allowed", remedy: "begin with an image from a registry that is"}
		if ref, err := reference.ParseNormalizedNamed(base.Ref); err == nil {
			f.parameter = ref.Name()
		}
		j.find(f)
	}
}

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
