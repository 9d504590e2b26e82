package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"deployer/state"
)

// A stepReport is what `check` and `doctor` found.
type stepReport struct {
	Dir         string       `json:"dir,omitempty"`
	Environment string       `json:"environment,omitempty"`
	Config      string       `json:"config,omitempty"`
	Status      string       `json:"status"` // passed, failed
	Steps       []state.Step `json:"steps"`
}

// show prints the report, and makes the exit code of it.
func (r stepReport) show(cmd *cobra.Command, asJSON bool) error {
	count := map[state.StepStatus]int{}
	for _, s := range r.Steps {
		count[s.Status]++
	}
	r.Status = "passed"
	if count[state.StepFailed] > 0 {
		r.Status = "failed"
	}
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), r); err != nil {
			return err
		}
	} else if err := r.table(cmd); err != nil {
		return err
	}
	if n := count[state.StepFailed]; n > 0 {
		return exitError{exitFailed, fmt.Errorf("%d of %d failed", n, len(r.Steps))}
	}
	return nil
}

// table prints a row for each step, and below it what to do.
func (r stepReport) table(cmd *cobra.Command) error {
	color := isTerminal(cmd.OutOrStdout())
	return table(cmd.OutOrStdout(), func(row func(...any)) {
		for _, s := range r.Steps {
			lines := strings.Split(s.Message, "\n")
			row(paint(s.Status, color), s.Name, lines[0])
			for _, line := range lines[1:] {
				row(paint("", color), "", line)
			}
			if s.Hint != "" && s.Status != state.StepPassed {
				row(paint("", color), "", "→ "+strings.ReplaceAll(s.Hint, "\n", " "))
			}
		}
	})
}

// paint colours a status for a terminal. Every status gets a code of the same
// length, so that the columns stay in line.
func paint(s state.StepStatus, color bool) string {
	if !color {
		return string(s)
	}
	code := map[state.StepStatus]string{
		state.StepPassed: "32", state.StepFailed: "31", state.StepWarned: "33", state.StepSkipped: "90",
	}[s]
	if code == "" {
		code = "39"
	}
	return "\x1b[" + code + "m" + string(s) + "\x1b[0m"
}
