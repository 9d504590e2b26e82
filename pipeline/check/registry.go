package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// registryCheck uses an image registry as its clients do: it logs in, is
// refused without a login, pushes a small image, pulls it and removes it.
type registryCheck struct {
	URL        endpoint   `check:"url,required"`
	Username   text       `check:"username"`
	Password   text       `check:"password"`
	Repository text       `check:"repository"`
	Resolve    []override `check:"resolve"`
	CA         text       `check:"ca"` // path of a PEM file of the commit
	Insecure   bool       `check:"insecure"`
}

// The image of the check has always the same tag and content, so that
// nothing grows where it cannot be removed.
const registryTag = "check"

func newRegistry() Check {
	return &registryCheck{Repository: text{"deployer/check", "deployer/check"}}
}

func (c *registryCheck) validate() error {
	u, err := url.Parse(c.URL.plain)
	switch {
	case err != nil || strings.Trim(u.Path, "/") != "" && strings.Trim(u.Path, "/") != "v2":
		return fmt.Errorf("url: a registry is at the root of its host: write %s://%s", u.Scheme, u.Host)
	case (c.Username.plain == "") != (c.Password.plain == ""):
		return errors.New("username and password belong together")
	}
	_, err = c.repository()
	return err
}

func (c *registryCheck) repository() (name.Repository, error) {
	u, err := url.Parse(c.URL.plain)
	if err != nil {
		return name.Repository{}, err
	}
	var options []name.Option
	if u.Scheme == "http" {
		options = append(options, name.Insecure)
	}
	r, err := name.NewRepository(u.Host+"/"+c.Repository.plain, options...)
	if err != nil {
		return r, fmt.Errorf("repository: %q is not a name such as deployer/check", c.Repository)
	}
	return r, nil
}

func (c *registryCheck) Run(ctx context.Context, w *World) Result {
	repository, err := c.repository()
	if err != nil {
		return failed(err.Error(), "correct the check in pipeline.yaml")
	}
	t, err := c.client(w)
	if err != nil {
		return failed(err.Error(), "correct the check in pipeline.yaml")
	}
	defer t.CloseIdleConnections()
	s := &registrySession{check: c, repository: repository, transport: t, started: time.Now()}
	var said []string
	for _, step := range []func(context.Context) (string, error){s.refuses, s.login, s.push, s.pull, s.remove} {
		what, err := step(ctx)
		if err != nil {
			return s.failure(err)
		}
		if what != "" {
			said = append(said, what)
		}
	}
	return passed(fmt.Sprintf("%s: %s", c.URL, strings.Join(said, ", ")))
}

// client returns a transport that connects and trusts as the check says.
func (c *registryCheck) client(w *World) (*http.Transport, error) {
	asHTTP := httpCheck{Resolve: c.Resolve, CA: c.CA, Insecure: c.Insecure}
	client, err := asHTTP.client(w)
	if err != nil {
		return nil, err
	}
	return client.Transport.(*http.Transport), nil
}

// A registrySession is one run of the check.
type registrySession struct {
	check      *registryCheck
	repository name.Repository
	transport  *http.Transport
	started    time.Time
	pushed     v1.Hash
}

// RoundTrip keeps to the scheme of the check's URL: the library would try
// HTTP too, with the credentials, where a host looks local.
func (s *registrySession) RoundTrip(r *http.Request) (*http.Response, error) {
	scheme, _, _ := strings.Cut(s.check.URL.plain, "://")
	if r.URL.Scheme != scheme && (scheme == "https" || r.URL.Host == s.repository.RegistryStr()) {
		return nil, errScheme
	}
	return s.transport.RoundTrip(r)
}

var errScheme = errors.New("the check's URL has another scheme")

// A registryFault is an answer that a registry should not give.
type registryFault struct{ what, hint string }

func (f registryFault) Error() string { return f.what }

// status is what /v2/ answers to a login.
func (s *registrySession) status(ctx context.Context, login authn.Authenticator) (int, error) {
	scope := s.repository.Scope(transport.PullScope)
	rt, err := transport.NewWithContext(ctx, s.repository.Registry, login, s, []string{scope})
	if err != nil {
		var refused *transport.Error
		if errors.As(err, &refused) && refused.StatusCode != 0 {
			return refused.StatusCode, nil
		}
		return 0, err
	}
	scheme, _, _ := strings.Cut(s.check.URL.plain, "://")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+s.repository.RegistryStr()+"/v2/", nil)
	if err != nil {
		return 0, err
	}
	response, err := rt.RoundTrip(request)
	if err != nil {
		var refused *transport.Error
		if errors.As(err, &refused) && refused.StatusCode != 0 {
			return refused.StatusCode, nil
		}
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// refuses wants a 401 without a login and with a wrong one, where the
// registry has logins.
func (s *registrySession) refuses(ctx context.Context) (string, error) {
	open, err := s.status(ctx, authn.Anonymous)
	if err != nil {
		return "", err
	}
	if s.check.Username.plain == "" {
		return "", wantStatus("/v2/ without a login", open, http.StatusOK)
	}
	if open == http.StatusOK {
		return "", registryFault{"/v2/ answers 200 without a login: everybody may pull, or even push",
			"give the registry its auth.htpasswd, or its router the basicauth middleware"}
	}
	if err := wantStatus("/v2/ without a login", open, http.StatusUnauthorized); err != nil {
		return "", err
	}
	wrong := &authn.Basic{Username: s.check.Username.plain, Password: rand.Text()}
	taken, err := s.status(ctx, wrong)
	if err != nil {
		return "", err
	}
	if taken == http.StatusOK {
		return "", registryFault{"/v2/ takes any password", "see the registry's auth settings: the user's password is not checked"}
	}
	return "refuses without and with a wrong login", wantStatus("/v2/ with a wrong password", taken, http.StatusUnauthorized)
}

func wantStatus(what string, got, want int) error {
	if got == want {
		return nil
	}
	return registryFault{fmt.Sprintf("%s answers %d, want %d", what, got, want), statusHint(got)}
}

func (s *registrySession) auth() authn.Authenticator {
	if s.check.Username.plain == "" {
		return authn.Anonymous
	}
	return &authn.Basic{Username: s.check.Username.plain, Password: s.check.Password.plain}
}

func (s *registrySession) login(ctx context.Context) (string, error) {
	if s.check.Username.plain == "" {
		return "no login was given, so none was tried", nil
	}
	got, err := s.status(ctx, s.auth())
	if err == nil && got == http.StatusUnauthorized {
		return "", registryFault{fmt.Sprintf("the login of %s is refused (401)", s.check.Username),
			"see that the password is the one whose hash the registry has: a `$` in a hash must be written `$$` in a compose file"}
	}
	if err == nil {
		err = wantStatus("/v2/ with the login", got, http.StatusOK)
	}
	return "takes the login of " + s.check.Username.shown, err
}

func (s *registrySession) options(ctx context.Context) []remote.Option {
	return []remote.Option{remote.WithContext(ctx), remote.WithAuth(s.auth()), remote.WithTransport(s), remote.WithUserAgent("deployer"),
		// The check's own `within` tries again, and says so.
		remote.WithRetryBackoff(remote.Backoff{Steps: 1})}
}

// failure makes a result of what a step met.
func (s *registrySession) failure(err error) Result {
	var (
		fault   registryFault
		refused *transport.Error
	)
	switch {
	case errors.As(err, &fault):
		return failed(fmt.Sprintf("%s: %s", s.check.URL, fault.what), fault.hint)
	case errors.As(err, &refused):
		return failed(fmt.Sprintf("%s: %s", s.check.URL, excerpt(err.Error(), 300)), registryHint(refused.StatusCode))
	}
	what, hint := explain(err, time.Since(s.started))
	return failed(fmt.Sprintf("%s: %s", s.check.URL, excerpt(what, 300)), hint)
}

func registryHint(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "the user may log in but not do this: see the registry's rights"
	case status == http.StatusRequestEntityTooLarge:
		return "a proxy limits the size of requests: raise it (Traefik's buffering middleware)"
	case status == http.StatusMethodNotAllowed:
		return "the registry is read-only: see its storage.maintenance.readonly"
	case status == http.StatusInternalServerError:
		return "read the registry's log: its volume may be full or not writable"
	}
	return statusHint(status)
}
