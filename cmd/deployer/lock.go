package main

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"

	"deployer/state"
)

func newLock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "lock STACK --reason R", Short: "Hold pushes back", GroupID: groupServer, Args: cobra.ExactArgs(1),
	}
	reason := cmd.Flags().String("reason", "", "why; whoever waits reads it")
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *reason == "" {
			return usageError("--reason is missing: whoever waits wants to know why")
		}
		return changeStack(cmd, connect, *asJSON, http.MethodPut, stackPath(args[0], "/lock"), map[string]string{"reason": *reason}, args[0]+" is locked")
	}
	return cmd
}

func newUnlock() *cobra.Command {
	cmd := &cobra.Command{Use: "unlock STACK", Short: "Let pushes deploy again", GroupID: groupServer, Args: cobra.ExactArgs(1)}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeStack(cmd, connect, *asJSON, http.MethodDelete, stackPath(args[0], "/lock"), nil, args[0]+" is not locked any more")
	}
	return cmd
}

func newUnpin() *cobra.Command {
	cmd := &cobra.Command{Use: "unpin STACK", Short: "Let the stack follow its branch again", GroupID: groupServer, Args: cobra.ExactArgs(1)}
	connect, asJSON := serverFlags(cmd), jsonFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return changeStack(cmd, connect, *asJSON, http.MethodDelete, stackPath(args[0], "/pin"), nil, args[0]+" follows its branch again")
	}
	return cmd
}

// changeStack sends a change of a stack and says that it is done, or prints the
// stack as it is then.
func changeStack(cmd *cobra.Command, connect func() (*apiClient, error), asJSON bool, method, path string, body any, done string) error {
	c, err := connect()
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := c.do(cmd.Context(), method, path, body, &answer); err != nil {
		return err
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	var s stackView
	if err := json.Unmarshal(answer, &s); err == nil && s.Sync == string(state.SyncBehind) && s.Operation == "idle" && s.Lock == nil {
		done += fmt.Sprintf("; %s is newer than what runs: `deployer deploy %s`, or the next push, takes it there", short(s.Head), s.Name)
	}
	_, err = fmt.Fprintln(cmd.OutOrStdout(), done)
	return err
}
