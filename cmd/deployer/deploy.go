package main

import (
	"context"
	"io"
	"net/http"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newDeploy() *cobra.Command {
	cmd := &cobra.Command{
		Use: "deploy STACK", Short: "Deploy the branch's tip, or a commit of it", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	commit := cmd.Flags().String("commit", "", "a commit of the stack's branch; an older one pins the stack")
	environment := cmd.Flags().String("environment", "", "another environment of pipeline.yaml; pins the stack")
	force := cmd.Flags().StringSlice("force", nil, "override: quarantine, lock, freeze")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/deploy"), struct {
			Commit      string   `json:"commit,omitempty"`
			Environment string   `json:"environment,omitempty"`
			Force       []string `json:"force,omitempty"`
			Reason      string   `json:"reason,omitempty"`
		}{*commit, *environment, *force, *ask.reason})
	}
	return cmd
}

// asking are the flags of commands that start a run.
type asking struct {
	reason *string
	noWait *bool
	json   *bool
}

func askFlags(cmd *cobra.Command) asking {
	return asking{
		reason: cmd.Flags().String("reason", "", "why; it is kept in the history"),
		noWait: cmd.Flags().Bool("no-wait", false, "do not follow the run"),
		json:   jsonFlag(cmd),
	}
}

// send asks for a run, follows it, and reports how it ended.
func (a asking) send(ctx context.Context, c *apiClient, out io.Writer, path string, body any) error {
	run, err := a.follow(ctx, c, out, path, body)
	if err != nil || run == nil {
		return err
	}
	return reportRun(out, run, *a.json)
}

// follow asks for a run and returns it when it is over, nil where it is not
// waited for.
func (a asking) follow(ctx context.Context, c *apiClient, out io.Writer, path string, body any) (*state.Run, error) {
	run := new(state.Run)
	if err := c.do(ctx, http.MethodPost, path, body, run); err != nil {
		return nil, err
	}
	if *a.noWait {
		if *a.json {
			return nil, printJSON(out, run)
		}
		return nil, table(out, func(row func(...any)) { row(run.ID, run.Stack, run.Kind, run.Status) })
	}
	log := out
	if *a.json {
		log = io.Discard
	}
	return c.follow(ctx, run.ID, log)
}
