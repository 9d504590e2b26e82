package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newRuns() *cobra.Command {
	cmd := &cobra.Command{
		Use: "runs [STACK]", Short: "List runs, newest first", GroupID: groupServer, Args: cobra.MaximumNArgs(1),
	}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	limit := cmd.Flags().Int("limit", 20, "at most this many")
	filters := map[string]*string{}
	for name, usage := range map[string]string{
		"status": "only runs that are in this status", "kind": "only runs of this kind, such as deploy or backup",
		"commit": "only runs for this commit; its first characters do", "actor": "only runs that this person started",
		"since": "only runs from this `time` on, such as 2026-01-31T08:00:00Z", "until": "only runs before this `time`",
		"before": "only runs older than this `run`: what the page before ended with",
	} {
		filters[name] = cmd.Flags().String(name, "", usage)
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		query := url.Values{"limit": {strconv.Itoa(*limit)}}
		for name, value := range filters {
			if *value != "" {
				query.Set(name, *value)
			}
		}
		if len(args) == 1 {
			query.Set("stack", args[0])
		}
		var page struct {
			Runs []*state.Run `json:"runs"`
			Next string       `json:"next,omitempty"`
		}
		if err := c.do(cmd.Context(), http.MethodGet, "/api/v1/runs?"+query.Encode(), nil, &page); err != nil {
			return err
		}
		if len(args) == 1 && len(page.Runs) == 0 {
			if err := c.emptyOf(cmd.Context(), args[0]); err != nil {
				return err
			}
		}
		if *asJSON {
			return printJSON(cmd.OutOrStdout(), page)
		}
		err = table(cmd.OutOrStdout(), func(row func(...any)) {
			row("RUN", "STACK", "KIND", "STATUS", "COMMIT", "BY", "WHEN", "")
			for _, r := range page.Runs {
				row(r.ID, r.Stack, r.Kind, r.Status, short(r.Commit), by(r.Trigger), since(r.CreatedAt), r.Subject)
			}
		})
		if err == nil && page.Next != "" {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "older ones: --before %s\n", page.Next)
		}
		return err
	}
	return cmd
}

func by(t state.Trigger) string {
	if t.Actor == "" {
		return string(t.Kind)
	}
	return fmt.Sprintf("%s (%s)", t.Actor, t.Kind)
}
