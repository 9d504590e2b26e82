package forge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	callLimit    = 30 * time.Second // of one request
	largestBody  = 32 << 20         // bytes of an answer that are read: a page of comments, each of 64 KiB
	maxRedirects = 3
)

// An api sends JSON to one forge, signed in.
type api struct {
	name      string // of the forge, for people
	scope     string // what the token has to be allowed, for people
	base      *url.URL
	token     func() (string, error)
	authorize func(h http.Header, token string)
	doer      Doer
}

func newAPI(o Options) (*api, error) {
	base, err := url.Parse(strings.TrimRight(o.API, "/"))
	if err != nil || base.Host == "" || (base.Scheme != "http" && base.Scheme != "https") || base.User != nil || base.RawQuery != "" {
		return nil, errors.New("api is no http or https URL without credentials")
	}
	doer := o.Doer
	if client, ok := doer.(*http.Client); ok { // whose redirects would be followed with the token
		own := *client
		own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		doer = &own
	}
	return &api{base: base, token: o.Token, doer: doer}, nil
}

// below makes the API's address end in a path, where it does not yet.
func (a *api) below(path string) {
	if !strings.HasSuffix(a.base.Path, path) {
		a.base = a.base.JoinPath(path)
	}
}

// call sends a request and reads the answer into out, where that is not nil.
// what is the request in words. path is escaped already, and begins with a
// slash, or is a whole URL on the forge's host.
func (a *api) call(ctx context.Context, what, method, path string, in, out any) (http.Header, error) {
	ctx, done := context.WithTimeout(ctx, callLimit)
	defer done()
	target, err := a.resolve(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	token, err := a.token()
	if err != nil {
		return nil, fmt.Errorf("%s: read the token: %w", what, err)
	}
	for range maxRedirects {
		res, err := a.send(ctx, method, target, in, token)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, withoutToken(err, token))
		}
		if next := a.onSameHost(target, res); next != nil {
			target = next
			continue
		}
		if res.code >= 300 || res.code < 200 || res.code == http.StatusNonAuthoritativeInfo {
			return res.header, a.failure(what, res, token)
		}
		if out != nil {
			if err := json.Unmarshal(res.body, out); err != nil {
				return res.header, &Refusal{Status: res.code, Hint: "see that forge.api in deployer.yaml is the address of the API, not of a page",
					Why: fmt.Sprintf("%s: what %s answered is not the JSON that was expected", what, a.name)}
			}
		}
		return res.header, nil
	}
	return nil, &Refusal{Status: http.StatusLoopDetected, Why: what + ": too many redirects", Hint: "correct forge.api in deployer.yaml"}
}

// An answer is a response that was read.
type answer struct {
	code   int
	header http.Header
	body   []byte
}

func (a *api) send(ctx context.Context, method string, target *url.URL, in any, token string) (*answer, error) {
	var content io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), content)
	if err != nil {
		return nil, err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "deployer")
	a.authorize(req.Header, token)
	res, err := a.doer.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, largestBody+1))
	if err == nil && len(body) > largestBody {
		err = fmt.Errorf("the answer is larger than %d MiB", largestBody>>20)
	}
	return &answer{code: res.StatusCode, header: res.Header, body: body}, err
}

// resolve makes the URL of a request. A whole URL, which a forge gives for the
// next page, must be on the host that the token is for.
func (a *api) resolve(path string) (*url.URL, error) {
	if strings.HasPrefix(path, "/") {
		return url.Parse(strings.TrimRight(a.base.String(), "/") + path)
	}
	u, err := url.Parse(path)
	if err != nil || !a.same(u) {
		return nil, errors.New("the forge points to a page at another place")
	}
	return u, nil
}

func (a *api) same(u *url.URL) bool { return u.Scheme == a.base.Scheme && u.Host == a.base.Host }

// onSameHost returns where a redirect leads, nil where the answer is none or
// leads away from the host that the token is for.
func (a *api) onSameHost(from *url.URL, res *answer) *url.URL {
	switch res.code {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil
	}
	location := res.header.Get("Location")
	next, err := from.Parse(location)
	if err != nil || location == "" || !a.same(next) {
		return nil
	}
	return next
}

// withoutToken keeps a token out of an error's text.
func withoutToken(err error, token string) error {
	if token == "" || !strings.Contains(err.Error(), token) {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), token, "[redacted]"))
}

func bearer(h http.Header, token string) { h.Set("Authorization", "Bearer "+token) }
