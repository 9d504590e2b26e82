package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"deployer/state"
)

func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print JSON, for scripts")
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// table writes rows in columns.
func table(w io.Writer, rows func(row func(cells ...any))) error {
	tw := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	rows(func(cells ...any) {
		for i, c := range cells {
			if i > 0 {
				fmt.Fprint(tw, "\t")
			}
			fmt.Fprint(tw, c)
		}
		fmt.Fprintln(tw)
	})
	return tw.Flush()
}

func short(commit string) string {
	if commit == "" {
		return "-"
	}
	return commit[:min(7, len(commit))]
}

func since(t time.Time) string {
	d := time.Since(t)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

// reportRun prints how a run ended and makes the exit code of it.
func reportRun(w io.Writer, run *state.Run, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, run); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "%s: %s", run.Stack, run.Status)
		if run.Commit != "" {
			fmt.Fprintf(w, " (%s %s)", short(run.Commit), run.Subject)
		}
		fmt.Fprintln(w)
	}
	switch run.Status {
	case state.RunSucceeded, state.RunUnchanged:
		return nil
	}
	text := run.Error
	if run.RolledBackTo != "" {
		text = fmt.Sprintf("rolled back to %s: %s", short(run.RolledBackTo), text)
	}
	if run.Hint != "" {
		text += "\nwhat to do: " + run.Hint
	}
	if text == "" {
		text = fmt.Sprintf("run %s ended %s", run.ID, run.Status)
	}
	return exitError{exitFailed, errors.New(text)}
}
