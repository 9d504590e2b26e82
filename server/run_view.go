package server

import (
	"time"

	"deployer/state"
)

// A runView is a run as the API shows it: what a program may count on is there
// where it is empty too, while the database leaves it out.
type runView struct {
	*state.Run
	Trigger      triggerView    `json:"trigger"`
	Commit       string         `json:"commit"`
	Subject      string         `json:"subject"`
	Author       string         `json:"author"`
	Environment  string         `json:"environment"`
	Previous     string         `json:"previous"`
	Release      string         `json:"release"`
	StartedAt    *time.Time     `json:"started_at"`
	FinishedAt   *time.Time     `json:"finished_at"`
	Error        string         `json:"error"`
	Hint         string         `json:"hint"`
	SupersededBy string         `json:"superseded_by"`
	RolledBackTo string         `json:"rolled_back_to"`
	ApprovedBy   string         `json:"approved_by"`
	Stages       []stageView    `json:"stages"`
	Changes      *state.Changes `json:"changes"`
}

type triggerView struct {
	Kind     state.TriggerKind `json:"kind"`
	Actor    string            `json:"actor"`
	Delivery string            `json:"delivery"`
	Reason   string            `json:"reason"`
}

type stageView struct {
	state.StageResult
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Steps      []stepView `json:"steps"`
}

type stepView struct {
	state.Step
	Hint string `json:"hint"`
}

func viewRun(r *state.Run) runView {
	out := runView{
		Run: r, Trigger: triggerView(r.Trigger), Commit: r.Commit, Subject: r.Subject, Author: r.Author, Environment: r.Environment,
		Previous: r.Previous, Release: r.Release, StartedAt: r.StartedAt, FinishedAt: r.FinishedAt, Error: r.Error, Hint: r.Hint,
		SupersededBy: r.SupersededBy, RolledBackTo: r.RolledBackTo, ApprovedBy: r.ApprovedBy,
		Stages: []stageView{}, Changes: r.Changes,
	}
	for _, stage := range r.Stages {
		view := stageView{StageResult: stage, StartedAt: stage.StartedAt, FinishedAt: stage.FinishedAt, Steps: []stepView{}}
		for _, step := range stage.Steps {
			view.Steps = append(view.Steps, stepView{step, step.Hint})
		}
		out.Stages = append(out.Stages, view)
	}
	if r.Changes != nil {
		out.Changes = viewChanges(r.Changes)
	}
	return out
}

// viewRuns shows runs of a list.
func viewRuns(runs []*state.Run) []runView {
	out := make([]runView, len(runs))
	for i, r := range runs {
		out[i] = viewRun(r)
	}
	return out
}

// viewChanges returns changes whose services are [] where there are none.
func viewChanges(c *state.Changes) *state.Changes {
	shown := *c
	shown.Services = list(c.Services)
	return &shown
}
