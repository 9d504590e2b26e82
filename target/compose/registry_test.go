package compose

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/registry"

	"deployer/internal/enginetest"
)

// The real registry program, with basic authentication, told apart in each
// way in which it refuses, and asked with credentials from every place. It is
// serial: DOCKER_CONFIG and PATH are the process's.
func TestRealRegistryWithCredentialsFromEveryPlace(t *testing.T) {
	r := newSerialRig(t)
	host := enginetest.Registry(t, "ada", "lovelace")
	ref := host + "/app:good"
	r.pushTo(host, ref, r.image, "ada", "lovelace")
	config, bin := t.TempDir(), t.TempDir()
	t.Setenv("DOCKER_CONFIG", config)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	file := func(content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(config, "config.json"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	helper := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, "docker-credential-fake"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	pull := func(ref string) error {
		t.Helper()
		_, _ = r.engine.ImageRemove(t.Context(), ref, image.RemoveOptions{})
		_, err := r.Images(t.Context(), load(t, r.name, "services: {web: {image: '"+ref+"'}}"), "always", nil)
		return err
	}
	want := func(what string, err error, reason ImageReason, says, hint string) {
		t.Helper()
		var failure *ImageError
		if !errors.As(err, &failure) || failure.Reason != reason || !strings.Contains(err.Error(), says) || !strings.Contains(failure.Hint(), hint) {
			t.Fatalf("%s: got %v (%v), want %q, %q with the hint %q", what, err, failure, reason, says, hint)
		}
		if err != nil && strings.Contains(err.Error()+fmt.Sprint(failure.Hint()), "lovelace") {
			t.Errorf("%s: the password is in %v", what, err)
		}
	}

	want("no credentials at all", pull(ref), ImageDenied, "deployer has none for it", "name "+host+" under registries: in deployer.yaml, or docker login as deployer's user: "+config+"/config.json has nothing for it")
	// One process, and each pull reads what the file has now.
	file(auths(host, "ada", "lovelace"))
	if err := pull(ref); err != nil {
		t.Errorf("auths: %v", err)
	}
	file(auths(host, "ada", "wrong"))
	want("wrong auths", pull(ref), ImageDenied, "refuses user ada from "+config+"/config.json", "correct what "+config+"/config.json has for "+host)

	file(fmt.Sprintf(`{"credHelpers": {%q: "fake"}}`, host))
	helper(`read server; [ "$1 $server" = "get ` + host + `" ] && echo '{"ServerURL":"` + host + `","Username":"ada","Secret":"lovelace"}'`)
	if err := pull(ref); err != nil {
		t.Errorf("credential helper: %v", err)
	}
	file(`{"credsStore": "fake"}`)
	if err := pull(ref); err != nil {
		t.Errorf("credentials store: %v", err)
	}
	helper("echo 'credentials not found in native keychain'; exit 1")
	want("helper without any", pull(ref), ImageDenied, "deployer has none for it", "docker-credential-fake has nothing for it")
	helper(`echo '{"Username":"ada","Secret":"wrong"}'`)
	want("helper with wrong ones", pull(ref), ImageDenied, "refuses user ada from docker-credential-fake", "correct what docker-credential-fake has for "+host)
	helper("echo 'lovelace is locked'; exit 1")
	want("helper that fails", pull(ref), ImageNoCredentials, "gives no credentials for it", "docker-credential-fake get")
	helper("echo '{lovelace'")
	want("helper that talks nonsense", pull(ref), ImageNoCredentials, "answers with what is not the JSON of a credential helper", "docker-credential-fake get")
	file(`{"credsStore": "not-there"}`)
	want("helper that is not there", pull(ref), ImageNoCredentials, "not in the PATH", "install docker-credential-not-there")
	file(`{"auths": {"lovelace`)
	want("configuration that is none", pull(ref), ImageNoCredentials, "no configuration of Docker's", "docker login")

	// deployer.yaml's entry wins over all of it.
	r.auth = func(context.Context, string) (string, string, error) { return "ada", "lovelace", nil }
	if err := pull(ref); err != nil {
		t.Errorf("registries: of deployer.yaml: %v", err)
	}
	file(auths(host, "ada", "lovelace"))
	r.auth = func(context.Context, string) (string, string, error) { return "ada", "wrong", nil }
	want("deployer.yaml wins", pull(ref), ImageDenied, "refuses user ada from registries: in deployer.yaml", "correct what registries: in deployer.yaml has for "+host)
	r.auth = func(context.Context, string) (string, string, error) {
		return "", "", errors.New("open /x: no such file")
	}
	want("password file that is gone", pull(ref), ImageNoCredentials, "/x: no such file", "can read what registries:")
	r.auth = nil

	want("missing tag", pull(host+"/app:none"), ImageMissing, "does not exist", "check the name and the tag")
	foreign := host + "/app:foreign"
	r.pushTo(host, foreign, foreignImage(t, r), "ada", "lovelace")
	want("wrong architecture", pull(foreign), ImagePlatform, "platform", "build the image for the Engine's platform")
	want("no registry", pull("127.0.0.1:1/app:1"), ImageUnreachable, "does not answer", "see from the Engine's host")
}

// Each image that cannot be had has its hint, and one that is missing is not
// tried again for another that only did not answer.
func TestEveryImageThatCannotBeHadHasItsHint(t *testing.T) {
	r := newRig(t)
	p := load(t, r.name, "services: {a: {image: '127.0.0.1:1/app:1'}, b: {image: 'no-such-image:1', pull_policy: never}}")
	_, err := r.Images(t.Context(), p, "missing", nil)
	var own interface {
		Hint() string
		Retryable() bool
	}
	if !errors.As(err, &own) {
		t.Fatalf("got %v", err)
	}
	if hint := own.Hint(); !strings.Contains(hint, "the registry answers") || !strings.Contains(hint, "no-such-image:1") || own.Retryable() {
		t.Errorf("hint %q, retryable %v", hint, own.Retryable())
	}
}

func auths(host, user, password string) string {
	raw, _ := json.Marshal(map[string]any{"auths": map[string]any{host: map[string][]byte{"auth": []byte(user + ":" + password)}}})
	return string(raw)
}

// pushTo gives a local image a name and pushes it; the name is gone with the test.
func (r *rig) pushTo(host, ref, local, user, password string) {
	r.t.Helper()
	if err := r.engine.ImageTag(r.t.Context(), local, ref); err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		_, _ = r.engine.ImageRemove(context.WithoutCancel(r.t.Context()), ref, image.RemoveOptions{Force: true})
	})
	auth, err := registry.EncodeAuthConfig(registry.AuthConfig{Username: user, Password: password, ServerAddress: host})
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := r.engine.ImagePush(r.t.Context(), ref, image.PushOptions{RegistryAuth: auth})
	if err != nil {
		r.t.Fatal(err)
	}
	defer out.Close()
	for message, err := range messages(out) {
		if err != nil || message.Error != nil {
			r.t.Fatalf("push %s: %v %v", ref, err, message.Error)
		}
	}
}

// foreignImage loads an image for a processor that this Engine does not have.
func foreignImage(t *testing.T, r *rig) string {
	t.Helper()
	name := enginetest.Prefix + "image/foreign:" + strings.TrimPrefix(r.name, enginetest.Prefix)
	var layer, out bytes.Buffer
	w := tar.NewWriter(&layer)
	_ = w.WriteHeader(&tar.Header{Name: r.name, Mode: 0o644})
	_ = w.Close()
	config := fmt.Appendf(nil, `{"os":"linux","architecture":"s390x","config":{},"rootfs":{"type":"layers","diff_ids":[%q]}}`, digest(layer.Bytes()))
	manifest := fmt.Appendf(nil, `[{"Config":"config.json","RepoTags":[%q],"Layers":["layer.tar"]}]`, name)
	w = tar.NewWriter(&out)
	for file, content := range map[string][]byte{"config.json": config, "manifest.json": manifest, "layer.tar": layer.Bytes()} {
		_ = w.WriteHeader(&tar.Header{Name: file, Mode: 0o644, Size: int64(len(content))})
		_, _ = w.Write(content)
	}
	_ = w.Close()
	response, err := r.engine.ImageLoad(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, response.Body)
	_ = response.Body.Close()
	t.Cleanup(func() {
		_, _ = r.engine.ImageRemove(context.WithoutCancel(t.Context()), name, image.RemoveOptions{Force: true})
	})
	return name
}
