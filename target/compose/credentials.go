package compose

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/distribution/reference"
	dockerconfig "github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/configfile"
	clitypes "github.com/docker/cli/cli/config/types"
	"github.com/docker/docker/api/types/registry"
)

// helperLimit is how long a credential helper may take to answer.
const helperLimit = 20 * time.Second

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
// names for a registry. The error has nothing of what a helper has written.
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
	return askHelper(ctx, file, key)
}

// askHelper reads credentials, from a helper where the file names one. One
// that hangs is left behind: the library cannot stop it.
func askHelper(ctx context.Context, file *configfile.ConfigFile, key string) (clitypes.AuthConfig, error) {
	ctx, done := context.WithTimeout(ctx, helperLimit)
	defer done()
	type answer struct {
		auth clitypes.AuthConfig
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		auth, err := file.GetAuthConfig(key)
		answers <- answer{auth, err}
	}()
	helper := file.CredentialHelpers[key]
	if helper == "" {
		helper = file.CredentialsStore
	}
	helper = "docker-credential-" + helper
	hint := fmt.Sprintf("try `echo %s | %s get` as deployer's user, with its PATH and HOME", key, helper)
	select {
	case a := <-answers:
		if a.err != nil {
			return a.auth, &credentialsError{fmt.Errorf("the credential helper %s gives no credentials for it", helper), hint}
		}
		return a.auth, nil
	case <-ctx.Done():
		return clitypes.AuthConfig{}, &credentialsError{fmt.Errorf("the credential helper %s does not answer", helper), hint}
	}
}
