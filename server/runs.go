package server

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"deployer/state"
)

var (
	runStatuses = []state.RunStatus{
		state.RunQueued, state.RunWaiting, state.RunRunning, state.RunSucceeded, state.RunFailed, state.RunRolledBack,
		state.RunRollbackFailed, state.RunSuperseded, state.RunCanceled, state.RunUnchanged,
	}
	runKinds = []state.RunKind{state.KindDeploy, state.KindRollback, state.KindBackup, state.KindRestore, state.KindMonitor,
		state.KindReview, state.KindAdopt, state.KindRestart, state.KindRemove}
)

type runList struct {
	Runs []runView `json:"runs"`
	Next string    `json:"next,omitempty"` // before of the next page
}

func (s *Server) listRuns(c *call) error {
	wanted, err := runQuery(c, "kind")
	if err != nil {
		return err
	}
	runs, next, err := s.findRuns(wanted)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, runList{viewRuns(runs), next})
}

// runQuery reads the filters that lists of runs have in common, and more.
func runQuery(c *call, more ...string) (state.RunQuery, error) {
	q := c.query(slices.Concat([]string{"stack", "status"}, more, []string{"commit", "actor", "since", "until", "limit", "before"})...)
	wanted := state.RunQuery{
		Stack:  q.text("stack"),
		Status: oneOf(q, "status", runStatuses),
		Kind:   oneOf(q, "kind", runKinds),
		Commit: q.commit("commit"),
		Actor:  q.text("actor"),
		Since:  q.time("since"),
		Until:  q.time("until"),
		Before: q.cursor("before"),
		Limit:  q.limit(),
	}
	return wanted, q.err
}

func (s *Server) findRuns(q state.RunQuery) (runs []*state.Run, next string, err error) {
	err = s.Store.View(func(t *state.Tx) (err error) {
		runs, next, err = t.Runs(q)
		return err
	})
	return runs, next, err
}

func (s *Server) getRun(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	run, err := s.runOf(c)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, viewRun(run))
}

// runOf returns the run that the path names.
func (s *Server) runOf(c *call) (*state.Run, error) {
	id := c.name("run")
	run, err := s.readRun(id)
	if errors.Is(err, state.ErrNotFound) {
		return nil, notFound(fmt.Sprintf("there is no run %.80q", id), "/api/v1/runs lists the runs that are kept; old ones are not kept forever")
	}
	return run, err
}

func (s *Server) readRun(id string) (run *state.Run, err error) {
	err = s.Store.View(func(t *state.Tx) (err error) {
		run, err = t.Run(id)
		return err
	})
	return run, err
}
