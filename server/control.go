package server

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"deployer/state"
)

type deployRequest struct {
	Commit      string   `json:"commit"`
	Environment string   `json:"environment"`
	Force       []string `json:"force"`
	Reason      string   `json:"reason"`
}

type rollbackRequest struct {
	To     string `json:"to"`
	Pin    bool   `json:"pin"`
	Reason string `json:"reason"`
}

type planRequest struct {
	Commit string `json:"commit"`
}

var (
	obstacles = []string{"quarantine", "lock", "freeze"}
	// nameRule is for what a person calls an environment, a run, a commit or a release.
	nameRule = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z:._-]{0,99}$`)
)

func (s *Server) deploy(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	var body deployRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.because(body.Reason); err != nil {
		return err
	}
	want, err := body.target()
	if err != nil {
		return err
	}
	run, err := s.Control.Deploy(c.Request().Context(), stack, c.by(), want)
	return s.answerNewRun(c, run, err)
}

func (d deployRequest) target() (state.RunTarget, error) {
	commit := strings.ToLower(d.Commit)
	if commit != "" && !commitRule.MatchString(commit) {
		return state.RunTarget{}, badRequest("commit is not a commit", "give 4 to 64 hexadecimal digits, or leave it out for the branch's tip")
	}
	if d.Environment != "" && !nameRule.MatchString(d.Environment) {
		return state.RunTarget{}, badRequest("environment is not a name", "give a name from environments in the stack's pipeline.yaml")
	}
	for _, f := range d.Force {
		if !slices.Contains(obstacles, f) {
			return state.RunTarget{}, badRequest(fmt.Sprintf("force does not know %.40q", f), "it takes "+words(obstacles))
		}
	}
	return state.RunTarget{Commit: commit, Environment: d.Environment, Force: d.Force}, nil
}

func (s *Server) rollback(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	var body rollbackRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	if err := c.because(body.Reason); err != nil {
		return err
	}
	if body.To != "" && !nameRule.MatchString(body.To) {
		return badRequest("to is neither a run nor a commit", "give the id of a run, a commit, or leave it out for the good release before the live one")
	}
	run, err := s.Control.Rollback(c.Request().Context(), stack, c.by(), state.RunTarget{Release: body.To, Pin: body.Pin})
	return s.answerNewRun(c, run, err)
}

// answerNewRun tells of a run that was queued just now.
func (s *Server) answerNewRun(c *call, run *state.Run, err error) error {
	if err != nil {
		return err
	}
	c.run = run.ID
	c.Response().Header().Set(echo.HeaderLocation, "/api/v1/runs/"+run.ID)
	return c.JSON(http.StatusAccepted, viewRun(run))
}

func (s *Server) plan(c *call) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	var body planRequest
	if err := c.decode(&body); err != nil {
		return err
	}
	want, err := deployRequest{Commit: body.Commit}.target()
	if err != nil {
		return err
	}
	changes, err := s.Control.Plan(c.Request().Context(), stack, want.Commit)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]*state.Changes{"changes": viewChanges(changes)})
}

func (s *Server) lock(c *call) error {
	return s.changeStack(c, func(ctx context.Context, stack string) error {
		if c.reason == "" {
			return badRequest("a lock needs a reason", `send {"reason": "…"}: others will want to know why their push waits`)
		}
		return s.Control.Lock(ctx, stack, c.by())
	})
}

func (s *Server) unlock(c *call) error {
	return s.changeStack(c, func(ctx context.Context, stack string) error {
		return s.Control.Unlock(ctx, stack, c.by())
	})
}

func (s *Server) unpin(c *call) error {
	return s.changeStack(c, func(ctx context.Context, stack string) error {
		return s.Control.Unpin(ctx, stack, c.by())
	})
}

func (s *Server) release(c *call) error {
	return s.changeStack(c, func(ctx context.Context, stack string) error {
		release := c.name("release")
		if !nameRule.MatchString(release) {
			return notFound("there is no such release in quarantine", "the stack's quarantined lists them by their fingerprint")
		}
		return s.Control.Release(ctx, stack, release, c.by())
	})
}

// changeStack does something to the stack of the path, and shows what came of it.
func (s *Server) changeStack(c *call, change func(ctx context.Context, stack string) error) error {
	stack, err := s.stackOf(c)
	if err != nil {
		return err
	}
	if err := c.decodeReason(); err != nil {
		return err
	}
	if err := change(c.Request().Context(), stack); err != nil {
		return err
	}
	return s.answerStack(c)
}

func (s *Server) cancel(c *call) error { return s.changeRun(c, s.Control.Cancel) }

func (s *Server) approve(c *call) error { return s.changeRun(c, s.Control.Approve) }

func (s *Server) reject(c *call) error { return s.changeRun(c, s.Control.Reject) }

// changeRun decides about a run and answers with it as it then is.
func (s *Server) changeRun(c *call, change func(ctx context.Context, run string, by state.Trigger) error) error {
	run, err := s.runOf(c)
	if err != nil {
		return err
	}
	c.run = run.ID
	if err := c.decodeReason(); err != nil {
		return err
	}
	if err := change(c.Request().Context(), run.ID, c.by()); err != nil {
		return err
	}
	if run, err = s.runOf(c); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, viewRun(run))
}

func (s *Server) retry(c *call) error {
	run, err := s.runOf(c)
	if err != nil {
		return err
	}
	c.run = run.ID
	if err := c.decodeReason(); err != nil {
		return err
	}
	again, err := s.Control.Retry(c.Request().Context(), run.ID, c.by())
	return s.answerNewRun(c, again, err)
}
