package compose

import (
	"cmp"
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

// A login is what an image's registry is shown.
type login struct {
	host    string
	user    string // empty where it is a token, or none
	from    string // where it was found, in the operator's words; where it was looked for, if there is none
	encoded string // as the Engine takes it; empty where there is none
}

// credentials returns the login for an image's registry as it is now: that
// which Auth gives, else that of Docker's own configuration and its credential
// helpers. None is no error.
func (t *Target) credentials(ctx context.Context, ref string) (login, error) {
	name, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return login{}, fmt.Errorf("image %q: %w", ref, err)
	}
	l := login{host: reference.Domain(name)}
	if t.auth != nil {
		username, password, err := t.auth(ctx, l.host)
		if err != nil {
			return login{}, &credentialsError{err, "see that deployer's user can read what registries: in deployer.yaml names for " + l.host}
		}
		if username != "" {
			l.user, l.from = username, "registries: in deployer.yaml"
			l.encoded, err = registry.EncodeAuthConfig(registry.AuthConfig{Username: username, Password: password, ServerAddress: l.host})
			return l, err
		}
	}
	known, from, err := dockersOwn(ctx, l.host)
	l.from = from
	if err != nil || known.Username == "" && known.IdentityToken == "" && known.RegistryToken == "" {
		return l, err
	}
	l.user = known.Username
	l.encoded, err = registry.EncodeAuthConfig(registry.AuthConfig{
		Username: known.Username, Password: known.Password, ServerAddress: l.host,
		IdentityToken: known.IdentityToken, RegistryToken: known.RegistryToken,
	})
	return l, err
}

// A credentialsError is a failure to get credentials that should be there.
type credentialsError struct {
	error
	hint string
}

// Hint says what to do about it.
func (e *credentialsError) Hint() string { return e.hint }

func (e *credentialsError) Unwrap() error { return e.error }

// dockersOwn asks the config.json of deployer's user, and the helper that it
// names for a registry, and says which of them it was.
func dockersOwn(ctx context.Context, host string) (auth clitypes.AuthConfig, from string, err error) {
	file, path, err := dockersFile()
	if err != nil {
		return clitypes.AuthConfig{}, path, err
	}
	key := host
	if host == dockerHub {
		key = dockerHubKey
	}
	auth, from, err = ask(ctx, file, key)
	return auth, cmp.Or(from, path), err
}

// Docker Hub's name in references, and in what Docker keeps of logins.
const (
	dockerHub    = "docker.io"
	dockerHubKey = "https://index.docker.io/v1/"
)

// dockersFile reads the config.json of deployer's user; one that is not there
// is empty.
func dockersFile() (file *configfile.ConfigFile, path string, err error) {
	dir := os.Getenv(dockerconfig.EnvOverrideConfigDir) // Dir would remember the first one
	if dir == "" {
		dir = dockerconfig.Dir()
	}
	path = filepath.Join(dir, dockerconfig.ConfigFileName)
	file, err = dockerconfig.Load(dir)
	if errors.Is(err, os.ErrPermission) {
		return nil, path, &credentialsError{
			fmt.Errorf("%s cannot be read", path), "let deployer's user read it, or set DOCKER_CONFIG to a folder of its own",
		}
	}
	if err != nil { // the decoder may quote what it met
		return nil, path, &credentialsError{
			fmt.Errorf("%s is no configuration of Docker's", path), "correct it, or write it anew with docker login",
		}
	}
	return file, path, nil
}

// ask returns the credentials that a configuration has for a registry: those of
// DOCKER_AUTH_CONFIG, else of the helper that the file names, else its own. It
// says from where, unless that is the file.
func ask(ctx context.Context, file *configfile.ConfigFile, key string) (auth clitypes.AuthConfig, from string, err error) {
	if auth, err := configfile.New("").GetAuthConfig(key); err == nil && (auth.Username != "" || auth.IdentityToken != "" || auth.RegistryToken != "") {
		return auth, configfile.DockerEnvConfigKey, nil
	}
	name, ok := file.CredentialHelpers[key]
	if !ok {
		name = file.CredentialsStore
	}
	if name == "" {
		auth, err = file.GetAuthConfig(key)
		return auth, "", err
	}
	auth, err = askHelper(ctx, name, key)
	return auth, helperPrefix + name, err
}
