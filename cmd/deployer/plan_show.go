package main

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"deployer/state"
)

// showPlan prints a plan, and makes the exit code of its checks.
func showPlan(cmd *cobra.Command, c *state.Changes, asJSON bool) error {
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), map[string]*state.Changes{"changes": c}); err != nil {
			return err
		}
	} else if err := planTable(cmd, c); err != nil {
		return err
	}
	failed := 0
	for _, s := range c.Checks {
		if s.Status == state.StepFailed {
			failed++
		}
	}
	if failed > 0 {
		return exitError{exitFailed, fmt.Errorf("%d of %d checks fail: a deploy would stop before it changes anything", failed, len(c.Checks))}
	}
	return nil
}

// planTable prints the services, what else changes, and the checks.
func planTable(cmd *cobra.Command, c *state.Changes) error {
	out := cmd.OutOrStdout()
	err := table(out, func(row func(...any)) {
		row("SERVICE", "ACTION", "WHY")
		for _, s := range c.Services {
			row(s.Name, s.Action, s.Why)
		}
	})
	if rows := planRows(c); err == nil && len(rows) > 0 {
		fmt.Fprintln(out)
		err = table(out, func(row func(...any)) {
			row("WHAT", "WHICH", "CHANGE")
			for _, r := range rows {
				row(r[0], r[1], r[2])
			}
		})
	}
	if err == nil && len(c.Checks) > 0 {
		fmt.Fprintln(out)
		err = stepReport{Steps: c.Checks}.table(cmd)
	}
	for _, note := range c.Notes {
		fmt.Fprintln(out, "note:", note)
	}
	return err
}

// planRows are the details: what, which one, and how it changes.
func planRows(c *state.Changes) (rows [][3]string) {
	add := func(what, which, change string) { rows = append(rows, [3]string{what, which, change}) }
	named := func(what string, changes []state.NamedChange) {
		for _, n := range changes {
			change := string(n.Kind)
			if n.Dangerous {
				change = "DANGER: " + change
			}
			if n.Why != "" {
				change += ", " + n.Why
			}
			add(what, n.Name, change)
		}
	}
	for _, i := range c.Images {
		add("image", i.Service, cmp.Or(i.Old, "none")+" → "+strings.TrimSpace(cmp.Or(i.New, "none")+" "+i.NewDigest))
	}
	for _, p := range c.Ports {
		add("port", p.Port+" of "+p.Service, map[state.ChangeKind]string{state.ChangeAdded: "opened", state.ChangeRemoved: "closed"}[p.Kind])
	}
	named("volume", c.Volumes)
	named("network", c.Networks)
	for _, v := range c.Values {
		change := string(v.Kind)
		if v.Old+v.New != "" {
			change += ": " + cmp.Or(v.Old, "nothing") + " → " + cmp.Or(v.New, "nothing")
		}
		add("variable", v.Name, change)
	}
	for _, p := range c.Passed {
		add("variable", p.Name+" of "+p.Service, string(p.Kind))
	}
	named("secret", c.Secrets)
	named("file", c.Files)
	for _, l := range c.Pipeline {
		add("pipeline.yaml", fmt.Sprintf("line %d", l.Line), map[state.ChangeKind]string{state.ChangeAdded: "+ ", state.ChangeRemoved: "- "}[l.Kind]+l.Text)
	}
	return rows
}
