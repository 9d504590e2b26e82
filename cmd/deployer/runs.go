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
	for _, name := range []string{"status", "kind", "commit", "actor", "since", "until", "before"} {
		filters[name] = cmd.Flags().String(name, "", "only runs with this "+name)
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

func newCancel() *cobra.Command {
	cmd := &cobra.Command{
		Use: "cancel RUN", Short: "End a run; one that has begun to change the stack goes back", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	connect := serverFlags(cmd)
	reason := cmd.Flags().String("reason", "", "why; it is kept in the history")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		return c.do(cmd.Context(), http.MethodPost, "/api/v1/runs/"+url.PathEscape(args[0])+"/cancel", map[string]string{"reason": *reason}, nil)
	}
	return cmd
}

func newRetry() *cobra.Command {
	cmd := &cobra.Command{
		Use: "retry RUN", Short: "Start what a run wanted once more", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), "/api/v1/runs/"+url.PathEscape(args[0])+"/retry", map[string]string{"reason": *ask.reason})
	}
	return cmd
}
