package server

import (
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

const snapshotWithin = 15 * time.Minute // for a snapshot to be sent

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
	// Who reads too slowly must not hold the database for ever.
	if err := http.NewResponseController(c.Response()).SetWriteDeadline(time.Now().Add(snapshotWithin)); err != nil {
		return err
	}
	return s.Store.Snapshot(func(size int64) io.Writer {
		h := c.Response().Header()
		h.Set(echo.HeaderContentType, echo.MIMEOctetStream)
		h.Set(echo.HeaderContentLength, strconv.FormatInt(size, 10)) // who gets less knows
		c.Response().WriteHeader(http.StatusOK)
		return c.Response()
	})
}
