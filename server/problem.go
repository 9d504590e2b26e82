package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"deployer/state"
	"deployer/webhook"
)

// A problem is an answer that is not what was asked for, as RFC 9457 has it.
type problem struct {
	Type     string `json:"type"`
	Title    string `json:"title"`
	Status   int    `json:"status"`
	Detail   string `json:"detail"`
	Hint     string `json:"hint,omitempty"` // what to do next
	Instance string `json:"instance"`
}

func (p *problem) Error() string { return p.Detail }

func badRequest(detail, hint string) *problem {
	return &problem{Status: http.StatusBadRequest, Detail: detail, Hint: hint}
}

func notFound(detail, hint string) *problem {
	return &problem{Status: http.StatusNotFound, Detail: detail, Hint: hint}
}

// problemOf maps every error to its answer. What is not meant for the caller
// becomes a 500 that says nothing of it.
func problemOf(err error) *problem {
	var (
		own     *problem
		refusal *state.Refusal
		routing *echo.HTTPError
	)
	switch {
	case errors.As(err, &own):
		p := *own
		return &p
	case errors.As(err, &refusal):
		return &problem{Status: http.StatusConflict, Detail: refusal.Reason,
			Hint: orDefault(refusal.Hint, "look at the stack and its runs, then try again")}
	case errors.Is(err, state.ErrNotFound):
		return notFound(err.Error(), "look the name up in the list that it is from: /api/v1/stacks, /api/v1/runs or /api/v1/releases")
	case errors.Is(err, webhook.ErrUnsigned), errors.Is(err, webhook.ErrBadSignature):
		return &problem{Status: http.StatusUnauthorized, Detail: err.Error(),
			Hint: "give the forge's webhook the same secret as webhook.secret of this repository in deployer.yaml"}
	case errors.Is(err, webhook.ErrMediaType):
		return &problem{Status: http.StatusUnsupportedMediaType, Detail: err.Error(),
			Hint: "set the webhook's content type to application/json"}
	case errors.Is(err, webhook.ErrMalformed):
		return badRequest(err.Error(), "check that the forge is the one that webhook.provider names")
	case errors.As(err, &routing):
		return problemOfRouting(routing)
	}
	return &problem{Status: http.StatusInternalServerError, Detail: "something failed inside deployer"}
}

func problemOfRouting(err *echo.HTTPError) *problem {
	switch err.Code {
	case http.StatusNotFound:
		return notFound("there is nothing at this path", "the document at /api/v1/openapi.yaml lists every path")
	case http.StatusMethodNotAllowed:
		return &problem{Status: err.Code, Detail: "this path does not take this method", Hint: "the Allow header lists the ones it takes"}
	}
	return &problem{Status: err.Code, Detail: http.StatusText(err.Code), Hint: "correct the request and send it again"}
}

// answerError is the one place where an error becomes an answer and is logged.
func (s *Server) answerError(err error, c echo.Context) {
	p := problemOf(err)
	p.Type, p.Title, p.Instance = "about:blank", http.StatusText(p.Status), c.Request().URL.Path
	if p.Status == http.StatusInternalServerError {
		s.logFault(err, p, c)
	}
	if c.Response().Committed {
		return
	}
	if p.Status == http.StatusUnauthorized {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, `Bearer realm="deployer"`)
	}
	if wantsPage(c) && s.problemPage(c, p) == nil {
		return
	}
	if failed := answerProblem(c, p); failed != nil {
		s.Log.Debug("an answer was not sent", "path", p.Instance, "error", failed)
	}
}

// logFault ties what the caller sees to what the log has of it. That a caller
// went away is no fault.
func (s *Server) logFault(err error, p *problem, c echo.Context) {
	if errors.Is(err, context.Canceled) && c.Request().Context().Err() != nil {
		return
	}
	incident := uuid.NewString()
	p.Hint = "the server's log says why, under incident " + incident
	s.Log.Error("a request failed", "incident", incident, "method", c.Request().Method, "path", p.Instance, "error", err)
}

func answerProblem(c echo.Context, p *problem) error {
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	return c.Blob(p.Status, "application/problem+json", text)
}

// wantsPage reports whether a person with a browser reads the answer.
func wantsPage(c echo.Context) bool {
	path := c.Request().URL.Path
	forPrograms := func(start string) bool { return strings.HasPrefix(path, start) }
	return strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/html") &&
		!slices.ContainsFunc([]string{"/api/", "/hooks/", "/metrics", "/healthz", "/readyz"}, forPrograms)
}
