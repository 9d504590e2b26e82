package server

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

type backupList struct {
	Backups []*state.Backup `json:"backups"`
}

// listBackups shows the archives of volumes, the newest first.
func (s *Server) listBackups(c *call) error {
	q := c.query("stack", "limit")
	stack, limit := q.text("stack"), q.limit()
	if q.err != nil {
		return q.err
	}
	found, err := s.Control.Backups(c.Request().Context(), stack)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, backupList{list(found[:min(limit, len(found))])})
}

func (s *Server) backup(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	if err := c.decodeReason(); err != nil {
		return err
	}
	run, err := s.Control.Backup(c.Request().Context(), stack, c.by())
	return s.answerNewRun(c, run, err)
}

func (s *Server) restore(c *call) error {
	if err := c.decodeReason(); err != nil {
		return err
	}
	id := c.name("backup")
	if len(id) > maxText {
		return notFound("there is no such backup", "/api/v1/backups lists them")
	}
	run, err := s.Control.Restore(c.Request().Context(), id, c.by())
	return s.answerNewRun(c, run, err)
}

// getSnapshot sends the database as it is now. What is secret in it is sealed
// with the server's own key, which no route gives away.
func (s *Server) getSnapshot(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	c.Response().Header().Set(echo.HeaderContentType, echo.MIMEOctetStream)
	c.Response().WriteHeader(http.StatusOK)
	_, err := s.Store.Snapshot(c.Response())
	return err
}
