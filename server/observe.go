package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
)

// observe is around every request: what holds for all answers, and what is
// counted of them.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		began := s.Now()
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", policy)
		h.Set("Cache-Control", "no-store")
		if c.Request().Body != http.NoBody {
			s.expectBody(c)
		}
		if err := s.survive(next, c); err != nil {
			c.Error(err)
		}
		s.metrics.answered(c, s.Now().Sub(began))
		return nil
	}
}

// survive turns a panic of a handler into an error: one request fails, with an
// answer.
func (s *Server) survive(next echo.HandlerFunc, c echo.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
		}
	}()
	return next(c)
}

// expectBody starts the time that a body has to arrive. net/http takes the
// deadline off the connection once the body is there, so that work may take
// longer.
func (s *Server) expectBody(c echo.Context) {
	_ = http.NewResponseController(c.Response()).SetReadDeadline(time.Now().Add(s.BodyTimeout))
}

// remoteAddress finds who sent a request. A forwarded address counts only
// where it comes from a trusted proxy.
func remoteAddress(trusted []netip.Prefix) echo.IPExtractor {
	if len(trusted) == 0 {
		return echo.ExtractIPDirect()
	}
	options := []echo.TrustOption{echo.TrustLoopback(false), echo.TrustLinkLocal(false), echo.TrustPrivateNet(false)}
	for _, p := range trusted {
		p = p.Masked()
		options = append(options, echo.TrustIPRange(&net.IPNet{
			IP:   p.Addr().AsSlice(),
			Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen()),
		}))
	}
	return echo.ExtractIPFromXFFHeader(options...)
}
