package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newAdopt() *cobra.Command {
	cmd := &cobra.Command{
		Use: "adopt STACK", Short: "Make what runs already the stack's first good release", GroupID: groupServer, Args: cobra.ExactArgs(1),
		Long: "The containers of the stack's compose project stay as they are and become the first release to go back to.\nNothing is recreated. `deployer plan STACK`, or the first run, says what the first deploy would recreate, and why.",
	}
	connect, ask := serverFlags(cmd), askFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := connect()
		if err != nil {
			return err
		}
		return ask.send(cmd.Context(), c, cmd.OutOrStdout(), stackPath(args[0], "/adopt"), map[string]string{"reason": *ask.reason})
	}
	return cmd
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
