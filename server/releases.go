package server

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"deployer/state"
)

// A releaseView is a release as the API and the page show it.
type releaseView struct {
	ID          string            `json:"id"`
	Stack       string            `json:"stack"`
	Commit      string            `json:"commit"`
	Subject     string            `json:"subject,omitempty"`
	Run         string            `json:"run"`
	Environment string            `json:"environment"`
	Images      map[string]string `json:"images"`
	Digests     map[string]string `json:"digests,omitempty"`
	At          time.Time         `json:"at"`
	VerifiedAt  *time.Time        `json:"verified_at,omitempty"`
}

func viewRelease(r *state.Release) *releaseView {
	if r == nil {
		return nil
	}
	v := &releaseView{
		ID: r.ID, Stack: r.Stack, Commit: r.Commit, Subject: r.Subject, Run: r.Run, Environment: r.Environment,
		Images: r.Images, Digests: r.Digests, At: r.At, VerifiedAt: r.VerifiedAt,
	}
	if v.Images == nil {
		v.Images = map[string]string{}
	}
	return v
}

type releaseList struct {
	Releases []*releaseView `json:"releases"`
}

// listReleases shows the recorded releases, or with at the ones that were live
// then; the newest first.
func (s *Server) listReleases(c *call) error {
	q := c.query("stack", "at", "limit")
	stack, at, limit := q.text("stack"), q.time("at"), q.limit()
	if q.err != nil {
		return q.err
	}
	releases, err := s.findReleases(stack, at)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, releaseList{releases[:min(limit, len(releases))]})
}

// findReleases returns the releases of a stack, of all stacks where it is
// empty; only what was live at a time where that is given.
func (s *Server) findReleases(stack string, at time.Time) ([]*releaseView, error) {
	var found []*state.Release
	err := s.Store.View(func(t *state.Tx) (err error) {
		if at.IsZero() {
			found, err = t.Releases(stack)
			return err
		}
		stacks := []string{stack}
		if stack == "" {
			stacks = s.Stacks.Names()
		}
		found, err = liveAt(t, stacks, at)
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b *state.Release) int { return b.At.Compare(a.At) })
	views := make([]*releaseView, len(found))
	for i, r := range found {
		views[i] = viewRelease(r)
	}
	return views, nil
}

func liveAt(t *state.Tx, stacks []string, at time.Time) ([]*state.Release, error) {
	var found []*state.Release
	for _, stack := range stacks {
		r, err := t.LiveAt(stack, at)
		switch {
		case errors.Is(err, state.ErrNotFound):
		case err != nil:
			return nil, err
		default:
			found = append(found, r)
		}
	}
	return found, nil
}
