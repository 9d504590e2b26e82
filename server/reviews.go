package server

import (
	"errors"
	"fmt"
	"net/http"

	"deployer/state"
)

type reviewList struct {
	Reviews []runView `json:"reviews"`
	Next    string    `json:"next,omitempty"` // before of the next page
}

// listReviews shows the runs of kind review, by the filters of runs.
func (s *Server) listReviews(c *call) error {
	wanted, err := runQuery(c)
	if err != nil {
		return err
	}
	wanted.Kind = state.KindReview
	runs, next, err := s.findRuns(wanted)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, reviewList{viewRuns(runs), next})
}

func (s *Server) getReview(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	id := c.name("review")
	run, err := s.readRun(id)
	if errors.Is(err, state.ErrNotFound) || (err == nil && run.Kind != state.KindReview) {
		return notFound(fmt.Sprintf("there is no review %.80q", id), "/api/v1/reviews lists the reviews that are kept; old ones are not kept forever")
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, viewRun(run))
}
