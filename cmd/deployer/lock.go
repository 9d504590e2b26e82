package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func newLock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lock STACK --reason R", Short: "Hold pushes back", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	reason := cmd.Flags().String("reason", "", "why; whoever waits reads it")
	connect := serverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reason == "" {
			return usageError("--reason is missing: whoever waits wants to know why")
		}
		return changeStack(cmd, connect, http.MethodPut, stackPath(args[0], "/lock"), map[string]string{"reason": *reason}, args[0]+" is locked")
	}
	return cmd
}

func newUnlock() *cobra.Command {
	cmd := &cobra.Command{Use: "unlock STACK", Short: "Let pushes deploy again", GroupID: groupServer, Args: cobra.ExactArgs(1)}
	connect := serverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeStack(cmd, connect, http.MethodDelete, stackPath(args[0], "/lock"), nil, args[0]+" is not locked any more")
	}
	return cmd
}

func newUnpin() *cobra.Command {
	cmd := &cobra.Command{Use: "unpin STACK", Short: "Let the stack follow its branch again", GroupID: groupServer, Args: cobra.ExactArgs(1)}
	connect := serverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeStack(cmd, connect, http.MethodDelete, stackPath(args[0], "/pin"), nil, args[0]+" follows its branch again")
	}
	return cmd
}

func changeStack(cmd *cobra.Command, connect func() (*apiClient, error), method, path string, body any, done string) error {
	c, err := connect()
	if err != nil {
		return err
	}
	if err := c.do(cmd.Context(), method, path, body, nil); err != nil {
		return err
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
	return err
}
