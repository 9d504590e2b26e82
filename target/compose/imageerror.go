package compose

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// ImageReason is the class of a failure to provide an image.
type ImageReason string

const (
	ImageMissing     ImageReason = "missing"      // neither local nor in the registry
	ImageDenied      ImageReason = "credentials"  // the registry wants others, or any
	ImageRateLimited ImageReason = "rate limit"   // too many pulls
	ImagePlatform    ImageReason = "platform"     // not made for this Engine's platform
	ImageUnreachable ImageReason = "unreachable"  // no answer from the registry
	ImageOther       ImageReason = "pull failure" // what the text says

	ImageNoCredentials ImageReason = "no credentials" // the registry was not asked: those for it cannot be had
)

// An ImageError is an image that cannot be had.
type ImageError struct {
	Services []string // that want it
	Ref      string
	Reason   ImageReason
	Err      error // what the Engine said; nil where it was not asked

	remedy string // instead of the reason's own
}

func (e *ImageError) Error() string {
	text := map[ImageReason]string{
		ImageMissing:     "does not exist",
		ImageDenied:      "is not given out: the registry refuses the credentials, or wants some",
		ImageRateLimited: "is not given out: the registry's rate limit is reached",
		ImagePlatform:    "does not exist for this platform",
		ImageUnreachable: "cannot be pulled: the registry does not answer",
		ImageOther:       "cannot be pulled",

		ImageNoCredentials: "was not asked for: the credentials for its registry cannot be had",
	}[e.Reason]
	if e.Err == nil {
		return fmt.Sprintf("image %s of service %s %s", e.Ref, e.Services[0], text)
	}
	return fmt.Sprintf("image %s of service %s %s: %v", e.Ref, e.Services[0], text, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// Retryable reports whether the same pull may work in a moment.
func (e *ImageError) Retryable() bool {
	return e.Reason == ImageUnreachable || e.Reason == ImageRateLimited
}

// Hint says what to do about it.
func (e *ImageError) Hint() string {
	if e.remedy != "" {
		return e.remedy
	}
	switch e.Reason {
	case ImageMissing:
		return "check the name and the tag of " + e.Ref + ", and that the image was pushed; with pull: never it must be loaded beforehand"
	case ImageDenied:
		return "give deployer credentials that may read it: registries: in deployer.yaml, or docker login; a misspelt name looks the same to some registries"
	case ImageRateLimited:
		return "wait for the limit to pass, sign in to the registry, or pull through a mirror"
	case ImagePlatform:
		return "build the image for the Engine's platform, or set platform: where the Engine can emulate another"
	case ImageUnreachable:
		return "see from the Engine's host that the registry answers: name, port, certificate, proxy"
	}
	return "try `docker pull " + e.Ref + "` on the Engine's host"
}

// imageErrors are all images of a project that cannot be had.
type imageErrors []error

func (e imageErrors) Error() string   { return errors.Join(e...).Error() }
func (e imageErrors) Unwrap() []error { return e }

// Retryable reports whether all of them may be had in a moment.
func (e imageErrors) Retryable() bool {
	return !slices.ContainsFunc(e, func(err error) bool {
		failure := (*ImageError)(nil)
		return !errors.As(err, &failure) || !failure.Retryable()
	})
}

// Hint says what to do about each of them.
func (e imageErrors) Hint() string {
	var hints []string
	for _, err := range e {
		failure := (*ImageError)(nil)
		if errors.As(err, &failure) && !slices.Contains(hints, failure.Hint()) {
			hints = append(hints, failure.Hint())
		}
	}
	return strings.Join(hints, "\n")
}

// The Engine passes a registry's answer on as text, whose first match counts.
var imageReasons = []struct {
	reason ImageReason
	text   *regexp.Regexp
}{
	{ImageRateLimited, regexp.MustCompile(`(?i)toomanyrequests|too many requests|rate limit`)},
	{ImagePlatform, regexp.MustCompile(`(?i)no matching manifest|does not (match|provide) the specified platform|no match for platform`)},
	{ImageDenied, regexp.MustCompile(`(?i)denied|unauthorized|authentication required|no basic auth|incorrect username|forbidden`)},
	{ImageUnreachable, regexp.MustCompile(`(?i)dial tcp|connection refused|connection reset|no such host|timeout|timed out|deadline exceeded|network is unreachable|no route to host|x509|tls:|http response to https|server misbehaving|unexpected eof|: EOF$|unexpected HTTP status: 5`)},
	{ImageMissing, regexp.MustCompile(`(?i)manifest unknown|not found|no such image|name unknown|does not exist`)},
}

func imageReason(err error) ImageReason {
	for _, r := range imageReasons {
		if r.text.MatchString(err.Error()) {
			return r.reason
		}
	}
	return ImageOther
}
