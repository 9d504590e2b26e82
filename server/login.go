package server

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"
)

const maxForm = 8 << 10 // bytes

type loginForm struct {
	Next    string // path to go on to
	Problem string
}

func (s *Server) loginPage(c *call) error {
	return render(c, http.StatusOK, "login.html", page{Title: "Sign in", Content: loginForm{Next: "/"}})
}

// login takes a token from the form and begins a session of it.
func (s *Server) login(c *call) error {
	form, err := readForm(c)
	if err != nil {
		return err
	}
	next := localPath(form.Get("next"))
	token, err := s.byToken(c, strings.TrimSpace(form.Get("token")))
	var p *problem
	if errors.As(err, &p) && p.Status == http.StatusUnauthorized {
		return render(c, p.Status, "login.html", page{Title: "Sign in", Content: loginForm{Next: next, Problem: p.Detail}})
	}
	if err != nil {
		return err
	}
	c.token = token
	s.audit(c, "login", nil)
	c.SetCookie(s.cookie(c.Request(), s.sessions.begin(token.SHA256, s.Now())))
	return c.Redirect(http.StatusSeeOther, next)
}

func (s *Server) logout(c *call) error {
	if cookie, err := c.Cookie(sessionCookie); err == nil {
		s.sessions.end(cookie.Value)
	}
	c.SetCookie(s.cookie(c.Request(), ""))
	return c.Redirect(http.StatusSeeOther, "/login")
}

// readForm reads a form from the body alone: a token in a URL would end up in
// the logs of proxies.
func readForm(c echo.Context) (url.Values, error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.Response().Writer, c.Request().Body, maxForm))
	if err != nil {
		return nil, bodyProblem(err)
	}
	form, err := url.ParseQuery(string(text))
	if err != nil {
		return nil, badRequest("the form cannot be read", "open /login and send its form")
	}
	return form, nil
}

// localPath returns a path of this server to go on to. What could lead to
// another site becomes the start page.
func localPath(path string) string {
	for _, start := range []string{"/stacks/", "/runs/"} {
		if rest, ok := strings.CutPrefix(path, start); ok && nameRule.MatchString(rest) {
			return path
		}
	}
	return "/"
}
