// Command deployer takes Docker Compose stacks from a signed push to a
// verified release. This package owns flags, wiring and what a terminal
// shows; each command has its own file.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	_ "golang.org/x/crypto/x509roots/fallback" // an image of deployer alone has no authorities
)

// version is set by the linker.
var version = "dev"

// Exit codes: what was asked for was done; it failed or was rolled back; it
// was asked for wrongly, or the configuration is bad.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	error
}

func (e exitError) Unwrap() error { return e.error }

func usageError(format string, args ...any) error {
	return exitError{exitUsage, fmt.Errorf(format, args...)}
}

func run(ctx context.Context, args []string) int {
	return execute(ctx, newRoot(), args)
}

// execute runs a command line on a command's own streams.
func execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	var own exitError
	if !errors.As(err, &own) {
		own = exitError{exitFailed, err}
		if cmd, _, unknown := root.Find(args); unknown != nil && cmd == root {
			own.code = exitUsage
		}
	}
	if own.error != nil {
		fmt.Fprintln(root.ErrOrStderr(), "deployer:", own.error)
	}
	return own.code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "deployer",
		Short:         "Deploys Docker Compose stacks from Git, and takes them back when they fail",
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError("%w; see `%s --help`", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: groupHere, Title: "On this machine:"},
		&cobra.Group{ID: groupServer, Title: "With a server (--server, --token; DEPLOYER_URL, DEPLOYER_TOKEN):"},
	)
	root.AddCommand(
		newServe(), newInit(), newSecrets(), newCheck(), newDoctor(), newToken(), newDemo(), newVersion(),
		newStatus(), newDeploy(), newRollback(), newPlan(), newRuns(), newLogs(), newApprove(), newReject(), newCancel(), newRetry(),
		newLock(), newUnlock(), newUnpin(),
		newBackup(), newBackups(), newRestore(),
		newAdopt(), newRestart(), newRemove(),
		newWorkload(),
	)
	for _, c := range root.Commands() {
		c.Args = asUsage(c.Args)
	}
	return root
}

const (
	groupHere   = "here"
	groupServer = "server"
)

// asUsage makes a wrong number of arguments an error of use.
func asUsage(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError("%w; see `%s --help`", err, cmd.CommandPath())
		}
		return nil
	}
}
