package compose

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/distribution/reference"
)

// ImageReason is the class of a failure to provide an image.
type ImageReason string

const (
	ImageMissing     ImageReason = "missing"      // neither local nor in the registry
	ImageDenied      ImageReason = "credentials"  // the registry wants others, or any
	ImageRateLimited ImageReason = "rate limit"   // too many pulls
	ImagePlatform    ImageReason = "platform"     // not made for this Engine's platform
	ImageUnreachable ImageReason = "unreachable"  // no answer from the registry
	ImageUntrusted   ImageReason = "certificate"  // the Engine does not trust the registry's
	ImagePlain       ImageReason = "plain http"   // the registry speaks no TLS
	ImageTrouble     ImageReason = "server error" // the registry answers that it is in trouble
	ImageOther       ImageReason = "pull failure" // what the text says

	ImageNoCredentials ImageReason = "no credentials" // the registry was not asked: those for it cannot be had
)

// An ImageError is an image that cannot be had.
type ImageError struct {
	Services []string // that want it
	Ref      string
	Reason   ImageReason
	Err      error // what the Engine said; nil where it was not asked

	login    login  // that the registry was shown
	platform string // that the service wants; empty: any
	remedy   string // instead of the reason's own
}

func (e *ImageError) Error() string {
	text := map[ImageReason]string{
		ImageMissing:     "does not exist",
		ImageDenied:      "is not given out: " + e.login.refused(),
		ImageRateLimited: "is not given out: the registry's rate limit is reached, for " + e.login.String(),
		ImagePlatform:    "does not exist for this platform",
		ImageUnreachable: "cannot be pulled: the registry does not answer",
		ImageUntrusted:   "cannot be pulled: the Engine does not trust the registry's certificate",
		ImagePlain:       "cannot be pulled: the registry does not speak HTTPS",
		ImageTrouble:     "cannot be pulled: the registry answers that it is in trouble itself",
		ImageOther:       "cannot be pulled",

		ImageNoCredentials: "was not asked for: the credentials for its registry cannot be had",
	}[e.Reason]
	if e.Err == nil {
		text = "is not on the Engine, and is not to be pulled"
		if e.platform != "" {
			text = "is not on the Engine for " + e.platform + ", and is not to be pulled"
		}
		return fmt.Sprintf("image %s of service %s %s", e.Ref, e.Services[0], text)
	}
	return fmt.Sprintf("image %s of service %s %s: %v", e.Ref, e.Services[0], text, e.Err)
}

func (e *ImageError) Unwrap() error { return e.Err }

// Retryable reports whether the same pull may work in a moment, or once the
// registry is mended.
func (e *ImageError) Retryable() bool {
	return slices.Contains([]ImageReason{ImageUnreachable, ImageUntrusted, ImagePlain, ImageTrouble, ImageRateLimited}, e.Reason)
}

// Hint says what to do about it.
func (e *ImageError) Hint() string {
	if e.remedy != "" {
		return e.remedy
	}
	switch e.Reason {
	case ImageMissing:
		if e.Err == nil {
			return "load " + e.Ref + " beforehand (docker load, docker pull), or leave pull: never away"
		}
		return "check the name and the tag of " + e.Ref + ", and that the image was pushed"
	case ImageDenied:
		return e.login.remedy()
	case ImageRateLimited:
		return "wait for the limit to pass, sign in to the registry, or pull through a mirror"
	case ImagePlatform:
		return "build the image for the Engine's platform, or set platform: where the Engine can emulate another"
	case ImageUnreachable:
		return "see from the Engine's host that the registry answers: name, port, firewall, proxy"
	case ImageUntrusted:
		return "renew the certificate where it has expired or is for another name; the authority of one of your own goes to /etc/docker/certs.d/" + e.host() + "/ca.crt on the Engine's host"
	case ImagePlain:
		return "give the registry a certificate, or list " + e.host() + " under insecure-registries in /etc/docker/daemon.json on the Engine's host"
	case ImageTrouble:
		return "look at the registry's own log; deployer retry RUN tries again"
	}
	return "try `docker pull " + e.Ref + "` on the Engine's host"
}

// host is the registry's.
func (e *ImageError) host() string {
	name, err := reference.ParseNormalizedNamed(e.Ref)
	if err != nil {
		return "HOST"
	}
	return reference.Domain(name)
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
	{ImagePlain, regexp.MustCompile(`(?i)http response to https|does not look like a tls handshake`)},
	{ImageUntrusted, regexp.MustCompile(`(?i)x509`)},
	{ImageTrouble, regexp.MustCompile(`(?i)unexpected HTTP status: 5`)},
	{ImageUnreachable, regexp.MustCompile(`(?i)dial tcp|connection refused|connection reset|no such host|timeout|timed out|deadline exceeded|network is unreachable|no route to host|tls:|server misbehaving|unexpected eof|: EOF$`)},
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
