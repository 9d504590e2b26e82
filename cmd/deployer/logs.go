package main

import (
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newLogs() *cobra.Command {
	cmd := &cobra.Command{
		Use: "logs RUN|STACK", Short: "Print the log of a run, or of a stack's newest run, and follow it while it runs", GroupID: groupServer,
		Args: cobra.ExactArgs(1),
	}
	connect := serverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		id, err := c.runOf(cmd, args[0])
		if err != nil {
			return err
		}
		_, err = c.follow(cmd.Context(), id, cmd.OutOrStdout())
		return err
	}
	return cmd
}

// runOf returns a run's id: the argument itself, or the newest run of the
// stack that it names.
func (c *apiClient) runOf(cmd *cobra.Command, arg string) (string, error) {
	var page struct {
		Runs []*state.Run `json:"runs"`
	}
	err := c.do(cmd.Context(), http.MethodGet, "/api/v1/runs?limit=1&stack="+url.QueryEscape(arg), nil, &page)
	if err == nil && len(page.Runs) == 1 {
		return page.Runs[0].ID, nil
	}
	return arg, nil
}
