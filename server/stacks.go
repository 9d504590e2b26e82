package server

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"deployer/state"
)

// A stackView is a stack as the API and the page show it.
type stackView struct {
	Name        string             `json:"name"`
	Environment string             `json:"environment"`
	Live        *releaseView       `json:"live"`
	LastGood    *releaseView       `json:"last_good"`
	Head        *string            `json:"head"`
	Sync        state.Sync         `json:"sync"`
	Health      string             `json:"health"`
	Operation   operation          `json:"operation"`
	Waiting     *waitingView       `json:"waiting"`
	Lock        *state.Lock        `json:"lock"`
	Pin         *state.Pin         `json:"pin"`
	Quarantined []state.Quarantine `json:"quarantined"`
	Readings    []readingView      `json:"readings"`
	LastRun     *lastRunView       `json:"last_run"`
	Warning     string             `json:"warning,omitempty"` // such as that its folder is gone
}

// An operation is what a stack is busy with.
type operation string

const (
	operationIdle    operation = "idle"
	operationRunning operation = "running"
	operationWaiting operation = "waiting"
)

// A waitingView says which run waits and for what.
type waitingView struct {
	For string `json:"for"`
	Run string `json:"run"`
}

// A lastRunView is how the stack's newest run goes, or ended: what the history
// has of it in one line.
type lastRunView struct {
	ID         string          `json:"id"`
	Kind       state.RunKind   `json:"kind"`
	Status     state.RunStatus `json:"status"`
	CreatedAt  time.Time       `json:"created_at"`
	FinishedAt *time.Time      `json:"finished_at,omitempty"`
	Error      string          `json:"error,omitempty"`
	Hint       string          `json:"hint,omitempty"`
}

type stackList struct {
	Stacks []*stackView `json:"stacks"`
}

func (s *Server) listStacks(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	views, err := s.viewStacks(c.Request().Context(), s.Stacks.Names())
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, stackList{views})
}

func (s *Server) getStack(c *call) error {
	if q := c.query(); q.err != nil {
		return q.err
	}
	return s.answerStack(c)
}

// answerStack shows the stack of the path as it now is.
func (s *Server) answerStack(c *call) error {
	name, err := s.stackOf(c)
	if err != nil {
		return err
	}
	views, err := s.viewStacks(c.Request().Context(), []string{name})
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, views[0])
}

// stackOf returns the stack that the path names.
func (s *Server) stackOf(c *call) (string, error) {
	name := c.name("stack")
	if !slices.Contains(s.Stacks.Names(), name) {
		return "", notFound(fmt.Sprintf("there is no stack %.80q", name), "/api/v1/stacks lists the stacks that deployer.yaml configures")
	}
	return name, nil
}

// viewStacks reads all from one picture of the store, and asks for their
// health afterwards since that may take its time.
func (s *Server) viewStacks(ctx context.Context, names []string) ([]*stackView, error) {
	views := make([]*stackView, 0, len(names))
	err := s.Store.View(func(t *state.Tx) error {
		active, err := t.ActiveRuns()
		if err != nil {
			return err
		}
		for _, name := range names {
			kept, err := t.Stack(name)
			if err != nil {
				return err
			}
			v := viewStack(kept, active)
			if v.LastRun, err = lastRun(t, name); err != nil {
				return err
			}
			views = append(views, v)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, v := range views {
		v.Environment = s.Stacks.Environment(v.Name)
		v.Health = s.Stacks.Health(ctx, v.Name)
		v.Readings = viewReadings(s.Stacks.Readings(v.Name))
		if holder := s.Stacks.Holder(v.Name); holder != "" && v.Warning == "" {
			v.Warning = s.heldBy(holder, v.Name)
		}
	}
	return views, nil
}

// heldBy says who has a stack's project. That is news to nobody but who asks:
// it is not stored.
func (s *Server) heldBy(holder, stack string) string {
	who := "stack " + holder
	if e := s.Stacks.Environment(holder); e != "" {
		who = fmt.Sprintf("%s (stack %s)", e, holder)
	}
	return fmt.Sprintf("%s holds the project now; `deployer deploy %s` takes it over", who, stack)
}

// lastRun returns the newest run of a stack that was for the stack itself, not
// for a pull request; nil before the first one.
func lastRun(t *state.Tx, stack string) (*lastRunView, error) {
	q := state.RunQuery{Stack: stack, Limit: 10}
	for {
		runs, next, err := t.Runs(q)
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if r.Kind != state.KindReview {
				return &lastRunView{r.ID, r.Kind, r.Status, r.CreatedAt, r.FinishedAt, r.Error, r.Hint}, nil
			}
		}
		if next == "" {
			return nil, nil
		}
		q.Before = next
	}
}

// viewStack shows a stack, given the runs of all stacks that are not over.
func viewStack(kept *state.Stack, active []*state.Run) *stackView {
	v := &stackView{
		Name:        kept.Name,
		Live:        viewRelease(kept.Live),
		LastGood:    viewRelease(kept.LastGood),
		Sync:        kept.Sync(),
		Operation:   operationIdle,
		Lock:        kept.Lock,
		Pin:         kept.Pin,
		Quarantined: list(kept.Quarantined),
		Warning:     kept.Warning,
	}
	if kept.Head != "" {
		v.Head = &kept.Head
	}
	for _, r := range active {
		if r.Stack == kept.Name && r.Kind != state.KindReview {
			v.busyWith(r)
		}
	}
	return v
}

func (v *stackView) busyWith(r *state.Run) {
	if r.Status == state.RunRunning {
		v.Operation = operationRunning
		return
	}
	if v.Operation == operationIdle {
		v.Operation = operationWaiting
	}
	v.Waiting = &waitingView{For: orDefault(r.WaitingFor, "slot"), Run: r.ID}
}

// list returns a list that is [] in JSON where it is empty.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
