package server

import (
	"bytes"
	"slices"
	"strings"
	"time"

	"deployer/state"
)

const (
	pageRuns     = 20
	pageReviews  = 10
	pageReleases = 20
	pageLog      = 16 << 10 // bytes, from the end of the log
)

type stackContent struct {
	*stackView
	Runs     []*state.Run // but reviews
	Reviews  []*state.Run
	Releases []*releaseView
}

func (s *Server) stackPage(c *call) error {
	name, err := s.stackOf(c)
	if err != nil {
		return err
	}
	views, err := s.viewStacks(c.Request().Context(), []string{name})
	if err != nil {
		return err
	}
	runs, _, err := s.findRuns(state.RunQuery{Stack: name, Limit: pageRuns})
	if err != nil {
		return err
	}
	runs = slices.DeleteFunc(runs, func(r *state.Run) bool { return r.Kind == state.KindReview })
	reviews, _, err := s.findRuns(state.RunQuery{Stack: name, Kind: state.KindReview, Limit: pageReviews})
	if err != nil {
		return err
	}
	releases, err := s.findReleases(name, time.Time{})
	if err != nil {
		return err
	}
	p := page{Title: name, Content: stackContent{views[0], runs, reviews, releases[:min(pageReleases, len(releases))]}}
	if views[0].Operation != operationIdle {
		p.Refresh = refreshEvery
	}
	return s.show(c, "stack.html", p)
}

type runContent struct {
	*state.Run
	Log     string
	Shorter bool // Log is only the end of it
}

func (s *Server) runPage(c *call) error {
	run, err := s.runOf(c)
	if err != nil {
		return err
	}
	text, shorter, err := s.logTail(run.ID)
	if err != nil {
		return err
	}
	p := page{Title: "Run " + run.ID, Content: runContent{run, text, shorter}}
	if !run.Status.Terminal() {
		p.Refresh = refreshEvery
	}
	return s.show(c, "run.html", p)
}

// logTail returns the end of a run's log, from the start of a line on.
func (s *Server) logTail(run string) (text string, shorter bool, err error) {
	size, err := s.Store.LogSize(run)
	if err != nil {
		return "", false, err
	}
	from := max(0, size-pageLog)
	raw, err := s.Store.ReadLog(run, from, pageLog)
	return lastLines(raw, from > 0), from > 0, err
}

// lastLines leaves out the line that text begins in the middle of.
func lastLines(text []byte, cut bool) string {
	if _, rest, ok := bytes.Cut(text, []byte("\n")); cut && ok {
		text = rest
	}
	return strings.ToValidUTF8(string(text), "\uFFFD")
}
