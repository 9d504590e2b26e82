package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"deployer/secrets"
)

// maxSecret bounds a value that is read from stdin, in bytes.
const maxSecret = 128 << 10

// isTerminal reports whether a person sits at the other end.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// readSecret takes a secret from stdin, without the line's end, or asks a
// person for it without showing it. It never comes from the argument list,
// which every user of the machine can read.
func readSecret(cmd *cobra.Command, name string) (secrets.Value, error) {
	in := cmd.InOrStdin()
	if !isTerminal(in) {
		text, err := io.ReadAll(io.LimitReader(in, maxSecret+1))
		if err != nil {
			return secrets.Value{}, err
		}
		if len(text) > maxSecret {
			return secrets.Value{}, usageError("the value is longer than %d KiB", maxSecret>>10)
		}
		return secrets.NewValue(strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")), nil
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%s (it is not shown): ", name)
	text, err := term.ReadPassword(int(in.(*os.File).Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return secrets.NewValue(string(text)), err
}

// ask asks a person a question; an empty answer is the one that is proposed.
func ask(cmd *cobra.Command, lines *bufio.Reader, question, proposed string) (string, error) {
	if proposed != "" {
		question += " [" + proposed + "]"
	}
	fmt.Fprint(cmd.ErrOrStderr(), question+": ")
	answer, err := lines.ReadString('\n')
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = proposed
	}
	if err != nil && answer == "" {
		return "", fmt.Errorf("no answer to %q: %w", question, err)
	}
	return answer, nil
}

func confirm(cmd *cobra.Command, question string) bool {
	answer, err := ask(cmd, bufio.NewReader(cmd.InOrStdin()), question, "y")
	return err == nil && strings.HasPrefix(strings.ToLower(answer), "y")
}
