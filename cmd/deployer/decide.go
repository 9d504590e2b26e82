package main

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func newCancel() *cobra.Command {
	return decision("cancel", "End a run; one that has begun to change the stack goes back")
}

func newApprove() *cobra.Command {
	return decision("approve", "Let a run that waits for approval go on")
}

func newReject() *cobra.Command {
	return decision("reject", "End a run that waits for approval")
}

// decision is a command that decides about one run.
func decision(verb, short string) *cobra.Command {
	cmd := &cobra.Command{Use: verb + " RUN", Short: short, GroupID: groupServer, Args: cobra.ExactArgs(1)}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	reason := cmd.Flags().String("reason", "", "why; it is kept in the history")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		var answer json.RawMessage
		err = c.do(cmd.Context(), http.MethodPost, "/api/v1/runs/"+url.PathEscape(args[0])+"/"+verb, map[string]string{"reason": *reason}, &answer)
		if err != nil || !*asJSON {
			return err
		}
		return printJSON(cmd.OutOrStdout(), answer)
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
