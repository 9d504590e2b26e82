package server

import (
	"crypto/sha256"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// guard lets a request through to the route's handler when it may, and writes
// what it did to the audit trail.
func (s *Server) guard(r route) echo.HandlerFunc {
	return func(ec echo.Context) error {
		c := &call{Context: ec, access: s.access.Load()}
		if r.page {
			if err := s.origins.Check(c.Request()); err != nil {
				return forbidden("the request was sent by a page of another site", "open deployer's own page and try it there")
			}
		}
		if r.role != open {
			if err := s.authorise(c, r); err != nil {
				return err
			}
		}
		err := r.handle(c)
		if r.action != "" {
			s.audit(c, r.action, err)
		}
		return err
	}
}

func (s *Server) authorise(c *call, r route) error {
	var err error
	if r.page {
		c.token, err = s.bySession(c)
	} else {
		c.token, err = s.byBearer(c)
	}
	if err != nil {
		return err
	}
	if !c.token.Role.includes(r.role) {
		return forbidden(
			fmt.Sprintf("the token %q has the role %s; this needs %s", c.token.Name, c.token.Role, r.role),
			fmt.Sprintf("use a token with the role %s, or ask an admin for one", r.role))
	}
	return nil
}

func (s *Server) byBearer(c *call) (Token, error) {
	scheme, secret, _ := strings.Cut(c.Request().Header.Get(echo.HeaderAuthorization), " ")
	secret = strings.TrimSpace(secret)
	if !strings.EqualFold(scheme, "Bearer") {
		secret = ""
	}
	return s.byToken(c, secret)
}

// byToken finds the token that was sent, unless its sender has guessed too often.
func (s *Server) byToken(c *call, secret string) (Token, error) {
	if secret == "" {
		return Token{}, unauthorised("no token was sent")
	}
	remote, now, hash := c.RealIP(), s.Now(), sha256.Sum256([]byte(secret))
	if wait := s.failures.blocked(remote, now); wait > 0 && !s.failures.proven(remote, hash) {
		return Token{}, tooMany(c, wait)
	}
	token, ok := c.access.find(hash)
	if !ok {
		s.failures.failed(remote, now)
		s.Log.Warn("a token that is not known was sent", "remote", remote, "path", c.Path())
		return Token{}, unauthorised("the token is not known")
	}
	s.failures.succeeded(remote, hash)
	return token, nil
}

func (s *Server) bySession(c *call) (Token, error) {
	cookie, err := c.Cookie(sessionCookie)
	if err != nil {
		return Token{}, signedOut("sign in first")
	}
	hash, ok := s.sessions.token(cookie.Value, s.Now())
	if !ok {
		return Token{}, signedOut("the session is over")
	}
	token, ok := c.access.find(hash)
	if !ok {
		return Token{}, signedOut("the token of the session is no longer valid")
	}
	return token, nil
}

func unauthorised(detail string) *problem {
	return &problem{Status: http.StatusUnauthorized, Detail: detail,
		Hint: "send `Authorization: Bearer TOKEN` with a token that deployer.yaml lists by its hash; `deployer token` makes one"}
}

// signedOut is what a page says to those without a session.
func signedOut(detail string) *problem {
	return &problem{Status: http.StatusUnauthorized, Detail: detail,
		Hint: "open /login in a browser; scripts ask /api/v1, with `Authorization: Bearer TOKEN`"}
}

func forbidden(detail, hint string) *problem {
	return &problem{Status: http.StatusForbidden, Detail: detail, Hint: hint}
}

func tooMany(c echo.Context, wait time.Duration) *problem {
	seconds := int(math.Ceil(wait.Seconds()))
	c.Response().Header().Set(echo.HeaderRetryAfter, strconv.Itoa(seconds))
	return &problem{Status: http.StatusTooManyRequests,
		Detail: "too many wrong tokens came from this address",
		Hint:   fmt.Sprintf("wait %d seconds, then try again with the right one", seconds)}
}
