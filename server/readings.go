package server

import (
	"time"

	"deployer/state"
)

// A readingView is what a check of the monitor last read.
type readingView struct {
	Check      string           `json:"check"`
	Status     state.StepStatus `json:"status"`
	Message    string           `json:"message"`
	Hint       string           `json:"hint,omitempty"`
	Since      time.Time        `json:"since"`
	At         time.Time        `json:"at"`
	DurationMS int64            `json:"duration_ms"`
	Measure    *measureView     `json:"measure,omitempty"`
}

type measureView struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

func viewReadings(readings []state.Reading) []readingView {
	out := make([]readingView, len(readings))
	for i, r := range readings {
		out[i] = readingView{
			Check: r.Check, Status: r.Status, Message: r.Message, Hint: r.Hint,
			Since: r.Since, At: r.At, DurationMS: r.Took.Milliseconds(),
		}
		if r.Measured != nil {
			out[i].Measure = &measureView{r.Measured.Name, r.Measured.Value}
		}
	}
	return out
}
