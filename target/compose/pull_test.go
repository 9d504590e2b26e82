package compose

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
)

func TestPullFromARegistry(t *testing.T) {
	r := newRig(t)
	host := newRegistry(t, "ada", "lovelace")
	r.auth = func(_ context.Context, registry string) (string, string, error) {
		if registry != host {
			return "", "", fmt.Errorf("asked for %s, want %s", registry, host)
		}
		return "ada", "lovelace", nil
	}
	ref := host + "/app:good"
	t.Cleanup(func() {
		_, _ = r.engine.ImageRemove(context.WithoutCancel(t.Context()), ref, image.RemoveOptions{Force: true})
	})
	p := load(t, r.name, "services: {web: {image: '"+ref+"'}}")
	var log buffer
	images, err := r.Images(t.Context(), p, "missing", &log)
	if err != nil {
		t.Fatal(err)
	}
	if got := images["web"]; !got.Pulled || !strings.HasPrefix(got.ID, "sha256:") || !strings.HasPrefix(got.Digest, host+"/app@sha256:") {
		t.Errorf("got %+v", got)
	}
	if !strings.Contains(log.String(), "web: pulling "+ref) || !strings.Contains(log.String(), "Downloaded newer image") {
		t.Errorf("log: %s", log.String())
	}
	again, err := r.Images(t.Context(), p, "missing", nil)
	if err != nil || again["web"].Pulled || again["web"].ID != images["web"].ID {
		t.Errorf("the second time: %+v %v", again["web"], err)
	}
}

func TestPullThatTheRegistryRefuses(t *testing.T) {
	r := newRig(t)
	host := newRegistry(t, "ada", "lovelace")
	for tag, test := range map[string]struct {
		password string
		want     ImageReason
	}{
		"good":    {"wrong", ImageDenied},
		"none":    {"lovelace", ImageMissing},
		"limited": {"lovelace", ImageRateLimited},
		"foreign": {"lovelace", ImagePlatform},
		"broken":  {"lovelace", ImageTrouble},
	} {
		r.auth = func(context.Context, string) (string, string, error) { return "ada", test.password, nil }
		p := load(t, r.name, "services: {web: {image: '"+host+"/app:"+tag+"'}}")
		_, err := r.Images(t.Context(), p, "missing", nil)
		var failure *ImageError
		if !errors.As(err, &failure) || failure.Reason != test.want {
			t.Errorf("%s: got %v, want reason %q", tag, err, test.want)
		}
	}
}

// newRegistry serves an image without a real registry, which cannot be made
// to refuse in all of these ways. Engines speak plain HTTP to 127.0.0.1.
func newRegistry(t *testing.T, username, password string) (host string) {
	t.Helper()
	var packed, layer bytes.Buffer
	w := tar.NewWriter(&layer)
	if err := w.WriteHeader(&tar.Header{Name: t.Name(), Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(layer.Bytes())
	_ = z.Close()
	config := fmt.Appendf(nil, `{"os":"linux","architecture":%q,"config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`,
		runtime.GOARCH, digest(layer.Bytes()))
	const manifestType = "application/vnd.docker.distribution.manifest.v2+json"
	const listType = "application/vnd.docker.distribution.manifest.list.v2+json"
	part := func(kind string, data []byte) map[string]any {
		return map[string]any{"mediaType": kind, "size": len(data), "digest": digest(data)}
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType,
		"config": part("application/vnd.docker.container.image.v1+json", config),
		"layers": []any{part("application/vnd.docker.image.rootfs.diff.tar.gzip", packed.Bytes())},
	})
	if err != nil {
		t.Fatal(err)
	}
	foreign := fmt.Appendf(nil, `{"schemaVersion":2,"mediaType":%q,"manifests":[{"mediaType":%q,"size":1,"digest":%q,"platform":{"os":"linux","architecture":"s390x"}}]}`,
		listType, manifestType, digest(manifest))

	send := func(w http.ResponseWriter, kind string, data []byte) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Docker-Content-Digest", digest(data))
		_, _ = w.Write(data)
	}
	refuse := func(w http.ResponseWriter, status int, code string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, strings.ToLower(code))
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/v2/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v2/app/manifests/{tag}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("tag") {
		case "good", digest(manifest):
			send(w, manifestType, manifest)
		case "foreign":
			send(w, listType, foreign)
		case "limited":
			refuse(w, http.StatusTooManyRequests, "TOOMANYREQUESTS")
		case "broken":
			http.Error(w, "bad gateway", http.StatusBadGateway)
		default:
			refuse(w, http.StatusNotFound, "MANIFEST_UNKNOWN")
		}
	})
	mux.HandleFunc("/v2/app/blobs/{digest}", func(w http.ResponseWriter, r *http.Request) {
		for _, data := range [][]byte{config, packed.Bytes()} {
			if r.PathValue("digest") == digest(data) {
				send(w, "application/octet-stream", data)
			}
		}
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		if u, p, _ := r.BasicAuth(); u != username || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED")
			return
		}
		mux.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func digest(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }
