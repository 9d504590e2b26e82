package server

import (
	"net/http"
	"strings"

	"deployer/state"
)

type auditList struct {
	Entries []*state.AuditEntry `json:"entries"`
}

// listAudit shows who did what, the newest first.
func (s *Server) listAudit(c *call) error {
	q := c.query("limit")
	limit := q.limit()
	if q.err != nil {
		return q.err
	}
	var entries []*state.AuditEntry
	err := s.Store.View(func(t *state.Tx) (err error) {
		entries, err = t.Audit(limit)
		return err
	})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, auditList{list(entries)})
}

// audit writes down what a caller did, or tried: outcome is the error that it
// is answered with. What cannot be written down is logged, since by now it has
// happened.
func (s *Server) audit(c *call, action string, outcome error) {
	entry := &state.AuditEntry{
		At:     s.Now().UTC(),
		Actor:  c.token.Name,
		Role:   string(c.token.Role),
		Action: action,
		Stack:  clip(c.name("stack")),
		Run:    clip(orDefault(c.run, c.name("run"))),
		Reason: auditReason(c.reason, outcome),
		Remote: c.RealIP(),
	}
	if entry.Stack == "" && c.run != "" {
		if run, err := s.readRun(c.run); err == nil {
			entry.Stack = run.Stack
		}
	}
	if err := s.Store.Update(func(t *state.Tx) error { return t.PutAudit(entry) }); err != nil {
		s.Log.Error("the audit trail was not written", "actor", entry.Actor, "action", action,
			"stack", entry.Stack, "run", entry.Run, "error", err)
	}
}

// auditReason is the reason that a person gave, and why nothing came of it
// where that is so.
func auditReason(given string, outcome error) string {
	if outcome == nil {
		return given
	}
	return strings.TrimSpace(given + " (refused: " + problemOf(outcome).Detail + ")")
}

// clip bounds what a path may put into the trail.
func clip(s string) string { return s[:min(len(s), maxText)] }
