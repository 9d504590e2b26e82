package compose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/docker/docker/api/types/registry"

	"deployer/project"
)

// A RegistryError is a registry that deployer's login does not open.
type RegistryError struct {
	Host   string
	Reason ImageReason
	Err    error // what the Engine said, or why there is no login

	login login
}

func (e *RegistryError) Error() string {
	text := map[ImageReason]string{
		ImageDenied:        "it refuses " + e.login.String(),
		ImageRateLimited:   "its rate limit is reached, for " + e.login.String(),
		ImageUnreachable:   "it does not answer the Engine",
		ImageUntrusted:     "the Engine does not trust its certificate",
		ImagePlain:         "it does not speak HTTPS",
		ImageTrouble:       "it answers that it is in trouble itself",
		ImageNoCredentials: "the credentials for it cannot be had",
	}[e.Reason]
	if text == "" {
		text = "it does not take " + e.login.String()
	}
	return text + ": " + e.Err.Error()
}

func (e *RegistryError) Unwrap() error { return e.Err }

// Hint says what to do about it.
func (e *RegistryError) Hint() string {
	own := (*credentialsError)(nil)
	switch {
	case errors.As(e.Err, &own):
		return own.hint
	case e.Reason == ImageDenied:
		return fmt.Sprintf("correct what %s has for %s", e.login.from, e.Host)
	case e.Reason == ImageTrouble:
		return "look at the registry's own log"
	case slices.Contains([]ImageReason{ImageRateLimited, ImageUnreachable, ImageUntrusted, ImagePlain}, e.Reason):
		return (&ImageError{Ref: e.Host + "/any", Reason: e.Reason}).Hint()
	}
	return "try `docker login " + e.Host + "` on the Engine's host"
}

// SignIn shows a registry, from the Engine, the login that a pull would show
// it, and says whose that is; empty where there is none to show. Nothing is
// pulled or kept. A registry that does not take it is a *RegistryError.
func (t *Target) SignIn(ctx context.Context, host string) (as string, err error) {
	l, err := t.credentials(ctx, host+"/any")
	if err != nil {
		return "", &RegistryError{Host: host, Reason: ImageNoCredentials, Err: err}
	}
	if l.encoded == "" {
		return "", nil
	}
	auth, err := registry.DecodeAuthConfig(l.encoded)
	if err != nil {
		return "", err
	}
	if host == dockerHub {
		auth.ServerAddress = dockerHubKey
	}
	_, err = t.engine.RegistryLogin(ctx, *auth)
	switch err = t.reached(err); {
	case err == nil:
		return l.String(), nil
	case errors.Is(err, project.ErrEngineUnreachable):
		return "", err
	}
	return "", &RegistryError{Host: host, Reason: imageReason(err), Err: err, login: l}
}

// DockersRegistries are the hosts that Docker's own configuration names
// credentials or a helper for, sorted.
func DockersRegistries() ([]string, error) {
	file, _, err := dockersFile()
	if err != nil {
		return nil, err
	}
	var hosts []string
	add := func(key string) {
		host := strings.TrimPrefix(strings.TrimPrefix(key, "https://"), "http://")
		if host, _, _ = strings.Cut(host, "/"); key == dockerHubKey || host == "index.docker.io" {
			host = dockerHub
		}
		hosts = append(hosts, host)
	}
	for key := range file.AuthConfigs {
		add(key)
	}
	for key := range file.CredentialHelpers {
		add(key)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), nil
}
