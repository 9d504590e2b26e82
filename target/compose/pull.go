package compose

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/containerd/platforms"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/pkg/jsonmessage"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// pull pulls one image. What the registry refuses is an *ImageError.
func (t *Target) pull(ctx context.Context, r request, log *lines) error {
	options := image.PullOptions{}
	if r.platform != "" {
		platform, err := platforms.Parse(r.platform)
		if err != nil {
			return fmt.Errorf("service %s: platform %q: %w", r.services[0], r.platform, err)
		}
		options.Platform = platforms.Format(platform)
	}
	login, err := t.credentials(ctx, r.ref)
	if err != nil {
		if failure := (*credentialsError)(nil); errors.As(err, &failure) && ctx.Err() == nil {
			return &ImageError{Services: r.services, Ref: r.ref, Reason: ImageNoCredentials, Err: err, remedy: failure.hint}
		}
		return err
	}
	options.RegistryAuth = login.encoded
	failed := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err = t.reached(err); errors.As(err, new(*engineError)) {
			return err
		}
		return &ImageError{Services: r.services, Ref: r.ref, Reason: imageReason(err), Err: err, login: login}
	}
	response, err := t.engine.ImagePull(ctx, r.ref, options)
	if err != nil {
		return failed(err)
	}
	defer response.Close()
	for message, err := range messages(response) {
		switch {
		case err != nil:
			return failed(err)
		case message.Error != nil:
			return failed(message.Error)
		case message.Progress == nil && message.ID != "":
			log.printf("%s: %s %s", r.ref, message.ID, message.Status)
		case message.Progress == nil && message.Status != "":
			log.printf("%s: %s", r.ref, message.Status)
		}
	}
	return nil
}

// messages reads the progress of a pull to its end, or to the first error.
func messages(r io.Reader) iter.Seq2[jsonmessage.JSONMessage, error] {
	decoder := json.NewDecoder(r)
	return func(yield func(jsonmessage.JSONMessage, error) bool) {
		for {
			var message jsonmessage.JSONMessage
			err := decoder.Decode(&message)
			if errors.Is(err, io.EOF) || !yield(message, err) || err != nil {
				return
			}
		}
	}
}

// satisfies reports whether an image of platform have is one of platform want.
func satisfies(have ocispec.Platform, want string) bool {
	platform, err := platforms.Parse(want)
	return err == nil && platforms.NewMatcher(platform).Match(have)
}
