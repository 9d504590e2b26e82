package server

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

const (
	logPiece     = 64 << 10         // bytes of a log that are sent at a time
	pieceTimeout = 30 * time.Second // for a reader to take one
)

// getLog sends a run's log as text, or live as an event stream where that is
// what the caller accepts.
func (s *Server) getLog(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	run, err := s.runOf(c)
	if err != nil {
		return err
	}
	if c.Request().Method != http.MethodHead && strings.Contains(c.Request().Header.Get(echo.HeaderAccept), "text/event-stream") {
		return s.streamLog(c, run.ID)
	}
	return s.sendLog(c, run.ID)
}

// sendLog sends the log as far as it has got.
func (s *Server) sendLog(c *call, run string) error {
	text, err := s.Store.ReadLog(run, 0, logPiece)
	if err != nil {
		return err
	}
	w := c.Response()
	w.Header().Set(echo.HeaderContentType, "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusOK)
	control := http.NewResponseController(w)
	for sent := int64(0); len(text) > 0; {
		_ = control.SetWriteDeadline(time.Now().Add(pieceTimeout))
		if _, err := w.Write(text); err != nil {
			return nil // the reader is gone
		}
		sent += int64(len(text))
		if text, err = s.Store.ReadLog(run, sent, logPiece); err != nil {
			return err
		}
	}
	return nil
}
