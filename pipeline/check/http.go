package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	maxBody      = 1 << 20 // bytes of a response that are looked at
	maxRedirects = 5
	bodyExcerpt  = 200 // characters
)

// httpCheck sends one request and judges the response.
type httpCheck struct {
	URL           endpoint               `check:"url,required"`
	Method        method                 `check:"method"`
	Headers       map[string]text        `check:"headers"`
	Host          text                   `check:"host"` // header, in place of the URL's
	Basic         credentials            `check:"basic"`
	Redirects     redirects              `check:"redirects"`
	Status        []statusRange          `check:"status"`
	Body          expectation            `check:"body"`
	ExpectHeaders map[string]expectation `check:"expect_headers"`

	Resolve  []override `check:"resolve"`
	CA       text       `check:"ca"`  // path of a PEM file of the commit
	SNI      text       `check:"sni"` // in place of the URL's host
	Insecure bool       `check:"insecure"`
}

type credentials struct {
	Username text `check:"username,required"`
	Password text `check:"password,required"`
}

func newHTTP() Check { return &httpCheck{Method: http.MethodGet} }

func (c *httpCheck) validate() error {
	if c.Insecure && c.CA.plain != "" {
		return errors.New("ca and insecure exclude each other")
	}
	if len(c.Status) == 0 {
		c.Status = []statusRange{{http.StatusOK, http.StatusOK}}
	}
	return nil
}

func (c *httpCheck) Run(ctx context.Context, w *World) Result {
	client, err := c.client(w)
	if err != nil {
		return failed(err.Error(), "correct the check in pipeline.yaml")
	}
	defer client.CloseIdleConnections()
	request, err := c.request(ctx)
	if err != nil {
		return failed(fmt.Sprintf("%s %s cannot be sent: %s", c.Method, c.URL, reason(err)), "correct the check in pipeline.yaml")
	}
	started := time.Now()
	response, err := client.Do(request)
	if err != nil {
		what, hint := explain(err, time.Since(started))
		return failed(fmt.Sprintf("%s %s: %s", c.Method, c.URL, what), hint)
	}
	took := time.Since(started)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody+1))
	if err != nil {
		what, hint := explain(err, time.Since(started))
		return failed(fmt.Sprintf("%s %s answered %d, then its body broke off: %s", c.Method, c.URL, response.StatusCode, what), hint)
	}
	return c.judge(response, body, took)
}

// judge compares a response with what is expected.
func (c *httpCheck) judge(response *http.Response, body []byte, took time.Duration) Result {
	evidence := fmt.Sprintf("%s %s answered %d in %d ms", c.Method, c.URL, response.StatusCode, took.Milliseconds())
	if to := response.Header.Get("Location"); to != "" && response.StatusCode/100 == 3 {
		evidence += " (to " + excerpt(withoutQuery(to), bodyExcerpt) + ")"
	}
	if response.Request.Response != nil {
		evidence += " (redirected to " + excerpt(withoutQuery(response.Request.URL.String()), bodyExcerpt) + ")"
	}
	var problems []string
	if !slices.ContainsFunc(c.Status, func(s statusRange) bool { return s.holds(response.StatusCode) }) {
		problems = append(problems, fmt.Sprintf("want %s", anyOf(c.Status)))
	}
	for _, name := range sortedKeys(c.ExpectHeaders) {
		value := strings.Join(response.Header.Values(name), ", ")
		if why := c.ExpectHeaders[name].unmet(value); why != "" {
			problems = append(problems, fmt.Sprintf("the header %s, %q, %s", name, excerpt(value, bodyExcerpt), why))
		}
	}
	where := "the body "
	if len(body) > maxBody {
		body, where = body[:maxBody], "the first MiB of the body "
	}
	if why := c.Body.unmet(string(body)); why != "" {
		problems = append(problems, where+why)
	}
	if len(problems) == 0 {
		return passed(evidence)
	}
	evidence += ", " + strings.Join(problems, " and ")
	// The body of a redirect is the link again, with what may be a token.
	if response.StatusCode/100 != 3 {
		evidence += ": " + cmp.Or(excerpt(string(body), bodyExcerpt), "(no body)")
	}
	return failed(evidence, statusHint(response.StatusCode))
}

// withoutQuery takes from a URL what may hold a token.
func withoutQuery(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "somewhere unreadable"
	}
	u.RawQuery, u.Fragment, u.User = "", "", nil
	return u.String()
}

func statusHint(status int) string {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "the service wants a login: see the credentials of the check, or list the status if that is a good answer"
	case status == http.StatusNotFound:
		return "see that the path is right and that the proxy has a route to the service"
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout:
		return "the proxy does not reach the service: see that it runs and that its port and network are right; `within` gives a slow start more time"
	case status/100 == 3:
		return "`redirects: follow` goes on to where it points"
	case status/100 == 5:
		return "read the log of the service"
	}
	return "see what the service answers, or correct what the check expects"
}
