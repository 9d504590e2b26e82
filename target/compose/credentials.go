package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/distribution/reference"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker/api/types/registry"
)

// credentials returns the encoded credentials for an image's registry as they
// are now, empty where there are none: those that Auth gives, else those of
// Docker's own configuration and its credential helpers.
func (t *Target) credentials(ctx context.Context, ref string) (string, error) {
	name, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("image %q: %w", ref, err)
	}
	host := reference.Domain(name)
	if t.auth != nil {
		username, password, err := t.auth(ctx, host)
		if err != nil {
			return "", &credentialsError{err, "see that deployer's user can read what registries: in deployer.yaml names for " + host}
		}
		if username != "" {
			return registry.EncodeAuthConfig(registry.AuthConfig{Username: username, Password: password, ServerAddress: host})
		}
	}
	known, err := dockersOwn(ctx, host)
	if err != nil || known.Username == "" && known.IdentityToken == "" && known.RegistryToken == "" {
		return "", err
	}
	return registry.EncodeAuthConfig(registry.AuthConfig{
		Username: known.Username, Password: known.Password, ServerAddress: host,
		IdentityToken: known.IdentityToken, RegistryToken: known.RegistryToken,
	})
}

// A credentialsError is a failure to get credentials that should be there.
type credentialsError struct {
	error
	hint string
}

func (e *credentialsError) Unwrap() error { return e.error }

// dockersOwn asks the config.json of deployer's user, and the helper that it
// names for a registry.
func dockersOwn(ctx context.Context, host string) (clitypes.AuthConfig, error) {
	dir := os.Getenv(dockerconfig.EnvOverrideConfigDir) // Dir would remember the first one
	if dir == "" {
		dir = dockerconfig.Dir()
	}
	path := filepath.Join(dir, dockerconfig.ConfigFileName)
	file, err := dockerconfig.Load(dir)
	if errors.Is(err, os.ErrPermission) {
		return clitypes.AuthConfig{}, &credentialsError{
			fmt.Errorf("%s cannot be read", path), "let deployer's user read it, or set DOCKER_CONFIG to a folder of its own",
		}
	}
	if err != nil { // the decoder may quote what it met
		return clitypes.AuthConfig{}, &credentialsError{
			fmt.Errorf("%s is no configuration of Docker's", path), "correct it, or write it anew with docker login",
		}
	}
	key := host
	if host == "docker.io" {
		key = "https://index.docker.io/v1/"
	}
	return ask(ctx, file, key)
}

// ask returns the credentials that a configuration has for a registry: those of
// DOCKER_AUTH_CONFIG, else of the helper that the file names, else its own.
func ask(ctx context.Context, file *configfile.ConfigFile, key string) (clitypes.AuthConfig, error) {
	name, ok := file.CredentialHelpers[key]
	if !ok {
		name = file.CredentialsStore
	}
	if name == "" {
		return file.GetAuthConfig(key)
	}
	if auth, err := configfile.New("").GetAuthConfig(key); err == nil && (auth.Username != "" || auth.IdentityToken != "" || auth.RegistryToken != "") {
		return auth, nil
	}
	return askHelper(ctx, name, key)
}
