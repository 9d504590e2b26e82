package compose

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"deployer/internal/enginetest"
)

func TestImagesResolvesToLocalIDs(t *testing.T) {
	r := newRig(t)
	p := load(t, r.name, strings.ReplaceAll("services: {web: {image: IMAGE}, api: {image: IMAGE}}", "IMAGE", r.image))
	images, err := r.Images(t.Context(), p, "never", nil)
	if err != nil {
		t.Fatal(err)
	}
	id := enginetest.ID(t, r.engine, r.image)
	for _, service := range []string{"web", "api"} {
		if got := images[service]; got.ID != id || got.Ref != r.image || got.Pulled || got.Platform != "linux/"+runtime.GOARCH {
			t.Errorf("%s: %+v, want ID %s", service, got, id)
		}
	}
	missing, err := r.MissingImages(t.Context(), []string{id, "sha256:" + strings.Repeat("0", 64)})
	if err != nil || len(missing) != 1 || missing[0] == id {
		t.Errorf("missing: %v %v", missing, err)
	}
}

func TestImagesThatCannotBeHad(t *testing.T) {
	r := newRig(t)
	for name, test := range map[string]struct {
		service, policy string
		reason          ImageReason
	}{
		"registry that does not answer":   {"{image: '127.0.0.1:1/app:1'}", "missing", ImageUnreachable},
		"never pulled":                    {"{image: '127.0.0.1:1/app:1'}", "never", ImageMissing},
		"own policy wins":                 {"{image: '127.0.0.1:1/app:1', pull_policy: never}", "always", ImageMissing},
		"local image of another platform": {"{image: IMAGE, platform: linux/s390x}", "never", ImageMissing},
		"ID that is not local":            {"{image: 'sha256:" + strings.Repeat("0", 64) + "'}", "always", ImageMissing},
	} {
		t.Run(name, func(t *testing.T) {
			p := load(t, r.name, strings.ReplaceAll("services: {web: "+test.service+"}", "IMAGE", r.image))
			var log buffer
			_, err := r.Images(t.Context(), p, test.policy, &log)
			var failure *ImageError
			if !errors.As(err, &failure) {
				t.Fatalf("got %v, want an *ImageError", err)
			}
			if failure.Reason != test.reason || failure.Hint() == "" || !slices.Equal(failure.Services, []string{"web"}) {
				t.Errorf("got %+v, want %s", failure, test.reason)
			}
		})
	}
}

func TestImagesAsksForCredentials(t *testing.T) {
	r := newRig(t)
	var asked string
	r.auth = func(_ context.Context, host string) (string, string, error) {
		asked = host
		return "", "", errors.New("password file is gone")
	}
	p := load(t, r.name, "services: {web: {image: '127.0.0.1:1/app:1'}}")
	_, err := r.Images(t.Context(), p, "missing", nil)
	if err == nil || !strings.Contains(err.Error(), "password file is gone") || asked != "127.0.0.1:1" {
		t.Errorf("asked for %q, got %v", asked, err)
	}
}

func TestImageReason(t *testing.T) {
	for text, want := range map[string]ImageReason{
		"manifest for app:9 not found: manifest unknown: manifest unknown":                                            ImageMissing,
		"pull access denied for app, repository does not exist or may require 'docker login': denied":                 ImageDenied,
		"Get \"https://r/v2/\": unauthorized: authentication required":                                                ImageDenied,
		"toomanyrequests: You have reached your pull rate limit":                                                      ImageRateLimited,
		"Get \"https://r/v2/\": x509: certificate signed by unknown authority":                                        ImageUntrusted,
		"Get \"https://r/v2/\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid": ImageUntrusted,
		"Get \"https://r/v2/\": http: server gave HTTP response to HTTPS client":                                      ImagePlain,
		"Get \"https://r/v2/\": tls: first record does not look like a TLS handshake":                                 ImagePlain,
		"no matching manifest for linux/arm64/v8 in the manifest list entries":                                        ImagePlatform,
		"Get \"https://r/v2/\": dial tcp: lookup r on 127.0.0.53:53: no such host":                                    ImageUnreachable,
		"received unexpected HTTP status: 502 Bad Gateway":                                                            ImageTrouble,
		"no space left on device": ImageOther,
	} {
		if got := imageReason(errors.New(text)); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
