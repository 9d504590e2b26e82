package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"deployer/pipeline"
	"deployer/state"
)

func newAdopt() *cobra.Command {
	cmd := &cobra.Command{
		Use: "adopt STACK…|--all", Short: "Make what runs already the stack's first good release", GroupID: groupServer, Args: cobra.ArbitraryArgs,
		Long: `The containers of the stack's compose project stay as they are and become the first release to go back to.
Nothing is recreated. "deployer plan STACK", or the first run, says what the first deploy would recreate, and why.

With --all: every stack that nothing was deployed of yet. Where nothing of one runs, there is
nothing to adopt, which is no failure.`,
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	all := cmd.Flags().Bool("all", false, "every stack that nothing was deployed of yet")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *all == (len(args) > 0) {
			return usageError("name the stacks, or say --all")
		}
		c, err := connect()
		if err != nil {
			return err
		}
		if *all {
			if args, err = c.neverDeployed(cmd.Context()); err != nil {
				return err
			}
		}
		return ask.adoptEach(cmd, c, args, *all)
	}
	return cmd
}

// neverDeployed names the stacks that have no release yet.
func (c *apiClient) neverDeployed(ctx context.Context) (names []string, err error) {
	var answer struct {
		Stacks []stackView `json:"stacks"`
	}
	err = c.do(ctx, http.MethodGet, "/api/v1/stacks", nil, &answer)
	for _, s := range answer.Stacks {
		if s.Live == nil && s.LastGood == nil {
			names = append(names, s.Name)
		}
	}
	return names, err
}

// adoptEach adopts each stack, one after the other. One that fails does not
// keep the others from their turn; whether one that does not run is a failure
// depends on who named it.
func (a asking) adoptEach(cmd *cobra.Command, c *apiClient, stacks []string, all bool) error {
	var failed []string
	var last error
	for _, name := range stacks {
		err := a.adopt(cmd, c, name, all)
		if cmd.Context().Err() != nil {
			return err
		}
		if err != nil {
			failed, last = append(failed, name), err
			if len(stacks) > 1 {
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %v\n", name, err)
			}
		}
	}
	if len(failed) == 0 || len(stacks) == 1 {
		return last
	}
	return exitError{exitFailed, fmt.Errorf("%d of %d failed: %s", len(failed), len(stacks), strings.Join(failed, ", "))}
}

func (a asking) adopt(cmd *cobra.Command, c *apiClient, name string, unlessNone bool) error {
	out := cmd.OutOrStdout()
	run, err := a.follow(cmd.Context(), c, out, stackPath(name, "/adopt"), map[string]string{"reason": *a.reason})
	if err != nil || run == nil {
		return err
	}
	if !unlessNone || run.Status != state.RunFailed || !strings.HasSuffix(run.Error, pipeline.NothingToAdopt) {
		return reportRun(out, run, *a.json)
	}
	if *a.json {
		return printJSON(out, run)
	}
	_, err = fmt.Fprintf(out, "%s: nothing to adopt: %s\n", name, run.Error)
	return err
}

func newRestart() *cobra.Command {
	cmd := &cobra.Command{
		Use: "restart STACK [SERVICE]", Short: "Restart a service of a stack, or all of them", GroupID: groupServer, Args: cobra.RangeArgs(1, 2),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		body := map[string]string{"reason": *ask.reason}
		if len(args) == 2 {
			body["service"] = args[1]
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/restart"), body)
	}
	return cmd
}

func newRemove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "remove STACK", Short: "Remove the containers and networks of a stack, never its volumes", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	yes := cmd.Flags().Bool("yes", false, "do not ask")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		if !*yes {
			fmt.Fprintf(cmd.OutOrStdout(), "This removes the containers and networks of %s. Volumes and history stay.\nGo on? [y/N] ", args[0])
			var answer string
			_, _ = fmt.Fscanln(cmd.InOrStdin(), &answer)
			if answer != "y" && answer != "yes" {
				return exitError{exitUsage, errors.New("nothing was done; say y, or give --yes")}
			}
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/remove"), map[string]string{"reason": *ask.reason})
	}
	return cmd
}
