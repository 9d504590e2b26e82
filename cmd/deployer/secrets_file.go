package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"deployer/secrets"
)

func newSecretsEncrypt() *cobra.Command {
	return &cobra.Command{
		Use: "encrypt [FILE]", Example: "  deployer secrets encrypt\n  deployer secrets encrypt apps/web/tls.key",
		Short: "Encrypt a plain file in place, by the rules of .sops.yaml", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := fileArgument(args)
			plain, err := os.ReadFile(file)
			if err != nil {
				return wrongFile(err)
			}
			rules, err := secrets.FindRules(file)
			if err != nil {
				return exitError{exitUsage, err}
			}
			out, err := rules.Encrypt(plain)
			if err != nil {
				return err
			}
			if err := replaceFile(file, out); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is encrypted for %s, as %s\n", file, strings.Join(rules.Recipients(), ", "), rules.Format())
			return err
		},
	}
}

func newSecretsDecrypt() *cobra.Command {
	cmd := &cobra.Command{
		Use: "decrypt [FILE]", Short: "Print a file in plain; nothing is written to the disk", Args: cobra.MaximumNArgs(1),
	}
	keys := keyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := fileArgument(args)
		data, err := os.ReadFile(file)
		if err != nil {
			return wrongFile(err)
		}
		plain, err := keys().Decrypt(cmd.Context(), file, data)
		if err != nil {
			return err
		}
		if isTerminal(cmd.OutOrStdout()) {
			fmt.Fprintln(cmd.ErrOrStderr(), "deployer: what follows is secret, and stays in this terminal's history")
		}
		_, err = fmt.Fprint(cmd.OutOrStdout(), plain.Reveal())
		return err
	}
	return cmd
}

func newSecretsRotate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate-keys [FILE]…", Short: "Encrypt anew, for the recipients of .sops.yaml and with a new data key", Args: cobra.ArbitraryArgs,
		Long: `Encrypts files anew, by the rules that .sops.yaml has now and with a new data key:
after a recipient or encrypted_regex was changed. Who could read the files before
knows their values still: change those too where a key has leaked.`,
	}
	keys := keyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			args = []string{envName}
		}
		for _, file := range args {
			if err := rotate(cmd, keys(), file); err != nil {
				return err
			}
		}
		return nil
	}
	return cmd
}

func rotate(cmd *cobra.Command, keys secrets.Keyring, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return wrongFile(err)
	}
	rules, err := secrets.FindRules(file)
	if err != nil {
		return exitError{exitUsage, err}
	}
	out, err := rules.Rotate(cmd.Context(), keys, data)
	if err != nil {
		return err
	}
	if err := replaceFile(file, out); err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is encrypted anew for %s\n", file, strings.Join(rules.Recipients(), ", "))
	return err
}
