package forge

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A Refusal is an answer that trying again would not change.
type Refusal struct {
	Status int    // of HTTP
	Why    string // the forge's own words, without secrets
	Hint   string // what to do
}

func (r *Refusal) Error() string { return r.Why }

// A Later is an answer that may be another one later.
type Later struct {
	Why   string
	After time.Duration // not before; 0: the forge does not say
}

func (l *Later) Error() string { return l.Why }

// RetryAfter is how long the forge wants to be left alone.
func (l *Later) RetryAfter() time.Duration { return l.After }

// failure makes an error of an answer that is none of 2xx. what is the
// request, for people.
func (a *api) failure(what string, res *answer, token string) error {
	why := fmt.Sprintf("%s: %s answered %d", what, a.name, res.code)
	if said := saying(res.body); said != "" {
		why += ": " + cut(said, 300)
	}
	if token != "" {
		why = strings.ReplaceAll(why, token, "[redacted]")
	}
	after := waitOf(res, time.Now())
	switch code := res.code; {
	case code == http.StatusTooManyRequests, code == http.StatusForbidden && limited(res):
		return &Later{Why: why, After: max(after, time.Second)}
	case code >= 500, code == http.StatusRequestTimeout, code == http.StatusConflict, code == http.StatusLocked, code == http.StatusTooEarly:
		return &Later{Why: why, After: after}
	case code >= 300 && code < 400:
		return &Refusal{Status: code, Why: why + ", a redirect to another place, which the token is not sent to", Hint: "correct forge.api and the repository's url in deployer.yaml"}
	}
	return &Refusal{Status: res.code, Why: why, Hint: a.hint(res.code)}
}

func (a *api) hint(code int) string {
	switch code {
	case http.StatusUnauthorized, http.StatusNonAuthoritativeInfo:
		return "the token in forge.token of deployer.yaml is wrong, expired or revoked: make a new one with " + a.scope
	case http.StatusForbidden:
		return "the token in forge.token of deployer.yaml lacks a right: it needs " + a.scope
	case http.StatusNotFound:
		return "forges also say this where a token may not see a repository: see that forge.api and the repository's url are right, and that the token has " + a.scope
	case http.StatusUnprocessableEntity, http.StatusBadRequest:
		return "the forge does not take this: the commit may be gone there, or a limit reached"
	}
	return "see that forge.api in deployer.yaml is the address of the API"
}

// limited reports whether a 403 is GitHub's way to say 429.
func limited(res *answer) bool {
	return res.header.Get("Retry-After") != "" || res.header.Get("X-RateLimit-Remaining") == "0" ||
		strings.Contains(strings.ToLower(string(res.body)), "rate limit")
}

const longestWait = 6 * time.Hour // that a forge may ask for

// waitOf returns for how long the forge wants to be left alone.
func waitOf(res *answer, now time.Time) time.Duration {
	var wait time.Duration
	retry := res.header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(retry, 10, 32); err == nil {
		wait = time.Duration(seconds) * time.Second
	} else if at, err := http.ParseTime(retry); err == nil {
		wait = at.Sub(now)
	} else {
		for _, header := range []string{"X-RateLimit-Reset", "RateLimit-Reset"} {
			at, err := strconv.ParseInt(res.header.Get(header), 10, 64)
			if err == nil && (res.code == http.StatusTooManyRequests || res.header.Get("X-RateLimit-Remaining") == "0") {
				wait = time.Unix(at, 0).Sub(now)
				break
			}
		}
	}
	return min(max(wait, 0), longestWait)
}

// saying is what an answer says in words, whatever the forge calls it.
func saying(body []byte) string {
	var said struct {
		Message json.RawMessage `json:"message"` // GitLab: a text, a list, or an object of lists
		Error   json.RawMessage `json:"error"`   // Bitbucket: {message}
		Errors  []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
			Code    string `json:"code"`
		} `json:"errors"`
	}
	if json.Unmarshal(body, &said) != nil {
		return ""
	}
	var parts []string
	add := func(text string) {
		if text = oneLine(text); text != "" && !slices.Contains(parts, text) {
			parts = append(parts, text)
		}
	}
	for _, raw := range []json.RawMessage{said.Message, said.Error} {
		var text string
		var object struct{ Message string }
		switch {
		case len(raw) == 0:
		case json.Unmarshal(raw, &text) == nil:
			add(text)
		case json.Unmarshal(raw, &object) == nil && object.Message != "":
			add(object.Message)
		default:
			add(string(raw))
		}
	}
	for _, e := range said.Errors {
		add(or(e.Message, strings.TrimSpace(e.Field+" "+e.Code)))
	}
	return strings.Join(parts, "; ")
}

// isRefusal reports whether an error is a refusal with one of these statuses;
// with none given, with any.
func isRefusal(err error, statuses ...int) bool {
	var r *Refusal
	return errors.As(err, &r) && (len(statuses) == 0 || slices.Contains(statuses, r.Status))
}
