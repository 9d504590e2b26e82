package check

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// layerContent is the one layer of the check's image.
var layerContent = []byte("deployer's check was here\n")

// push uploads every blob and the manifest, also where the registry has them:
// the library would leave out what is there, and prove nothing.
func (s *registrySession) push(ctx context.Context) (string, error) {
	layer := static.NewLayer(layerContent, types.DockerUncompressedLayer)
	image, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return "", err
	}
	if s.pushed, err = image.Digest(); err != nil {
		return "", err
	}
	config, err := image.RawConfigFile()
	if err != nil {
		return "", err
	}
	rt, err := transport.NewWithContext(ctx, s.repository.Registry, s.auth(), s, []string{s.repository.Scope(transport.PushScope)})
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	for _, blob := range [][]byte{config, layerContent} {
		if err := s.upload(ctx, rt, blob); err != nil {
			return "", fmt.Errorf("push: %w", err)
		}
	}
	manifest, err := image.RawManifest()
	if err != nil {
		return "", err
	}
	_, err = s.send(ctx, rt, http.MethodPut, s.url("manifests/"+registryTag), manifest, string(types.DockerManifestSchema2), http.StatusCreated)
	if err != nil {
		return "", fmt.Errorf("push: %w", err)
	}
	return "took a push", nil
}

func (s *registrySession) url(path string) *url.URL {
	scheme, _, _ := strings.Cut(s.check.URL.plain, "://")
	return &url.URL{Scheme: scheme, Host: s.repository.RegistryStr(), Path: "/v2/" + s.repository.RepositoryStr() + "/" + path}
}

func (s *registrySession) upload(ctx context.Context, rt http.RoundTripper, blob []byte) error {
	started := s.url("blobs/uploads/")
	answer, err := s.send(ctx, rt, http.MethodPost, started, nil, "", http.StatusAccepted)
	if err != nil {
		return err
	}
	to, err := started.Parse(answer.Get("Location"))
	if err != nil || answer.Get("Location") == "" {
		return registryFault{"it does not say where to upload to", "see that nothing in between takes the Location header away"}
	}
	if to.Scheme != started.Scheme && to.Host == started.Host {
		return registryFault{fmt.Sprintf("it sends uploads to %s:// in place of %s://", to.Scheme, started.Scheme),
			"the proxy in front must pass on X-Forwarded-Proto, or the registry needs http.host set to its URL"}
	}
	digest, _, err := v1.SHA256(bytes.NewReader(blob))
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", digest.String())
	to.RawQuery = query.Encode()
	_, err = s.send(ctx, rt, http.MethodPut, to, blob, "application/octet-stream", http.StatusCreated)
	return err
}

// send makes one request of a push and returns the headers of its answer.
func (s *registrySession) send(ctx context.Context, rt http.RoundTripper, method string, to *url.URL, body []byte, kind string, want int) (http.Header, error) {
	request, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", "deployer")
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := rt.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	return response.Header, transport.CheckError(response, want)
}

// pull reads back what was pushed: the same digest, the same bytes.
func (s *registrySession) pull(ctx context.Context) (string, error) {
	image, err := remote.Image(s.repository.Tag(registryTag), s.options(ctx)...)
	if err != nil {
		return "", fmt.Errorf("pull: %w", err)
	}
	digest, err := image.Digest()
	if err != nil {
		return "", fmt.Errorf("pull: %w", err)
	}
	if digest != s.pushed {
		return "", registryFault{fmt.Sprintf("pull: pushed %s, got %s", s.pushed, digest),
			"something between here and the registry changes what it passes on, or another writes this tag: give the check a `repository` of its own"}
	}
	layers, err := image.Layers()
	if err != nil {
		return "", fmt.Errorf("pull: %w", err)
	}
	for _, layer := range layers {
		blob, err := layer.Compressed()
		if err != nil {
			return "", fmt.Errorf("pull: %w", err)
		}
		got, err := io.ReadAll(io.LimitReader(blob, maxBody))
		if closing := blob.Close(); err == nil {
			err = closing
		}
		if err != nil {
			return "", fmt.Errorf("pull: %w", err)
		}
		if !bytes.Equal(got, layerContent) {
			return "", registryFault{"pull: a layer came back changed", "something between here and the registry changes what it passes on"}
		}
	}
	return "gave it back with the same digest", nil
}

// remove takes the image away again. A registry that refuses to delete is as
// its operator wants it: what stays is one small image that never changes.
func (s *registrySession) remove(ctx context.Context) (string, error) {
	err := remote.Delete(s.repository.Digest(s.pushed.String()), s.options(ctx)...)
	var refused *transport.Error
	switch {
	case err == nil:
		return "and deleted it", nil
	case errors.As(err, &refused) && (refused.StatusCode == http.StatusMethodNotAllowed || refused.StatusCode == http.StatusForbidden ||
		refused.StatusCode == http.StatusUnauthorized || refused.StatusCode == http.StatusBadRequest || refused.StatusCode == http.StatusNotFound):
		return fmt.Sprintf("and refuses to delete it (%d): %s:%s stays, one small image", refused.StatusCode, s.check.Repository, registryTag), nil
	}
	return "", fmt.Errorf("delete: %w", err)
}
