package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"

	"deployer/secrets"
)

func newSecretsSet() *cobra.Command {
	cmd := &cobra.Command{
		Use: "set KEY", Short: "Set one value of an encrypted env file, from stdin or a prompt", Args: cobra.ExactArgs(1),
		Example: "  deployer secrets set REGISTRY_PASSWORD\n  deployer secrets set API_TOKEN -f apps/.env.production < token",
	}
	keys, file := keyFlags(cmd), fileFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !secrets.IsName(args[0]) {
			return usageError("%q is no name of a variable; use letters, digits and _, and begin with a letter", args[0])
		}
		value, err := readSecret(cmd, args[0])
		if err != nil {
			return err
		}
		changed, err := setVars(cmd, keys(), *file, variable{args[0], value})
		if err != nil {
			return err
		}
		word := "set"
		if !changed {
			word = "unchanged"
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s %s\n", *file, args[0], word)
		return err
	}
	return cmd
}

// A variable is one that a command sets.
type variable struct {
	name  string
	value secrets.Value
}

func setVars(cmd *cobra.Command, keys secrets.Keyring, file string, vars ...variable) (changed bool, err error) {
	changed, err = editFile(cmd.Context(), keys, file, func(text secrets.Value) (_ secrets.Value, err error) {
		for _, v := range vars {
			if text, err = secrets.SetVar(file, text, v.name, v.value); err != nil {
				return text, err
			}
		}
		return text, nil
	})
	if err == nil {
		for _, v := range vars {
			if !v.value.Empty() && !strings.HasSuffix(v.name, "_USERNAME") { // a name is no secret
				warnReadable(cmd.ErrOrStderr(), file, v.name)
			}
		}
	}
	return changed, err
}

func newSecretsGenerate() *cobra.Command {
	cmd := &cobra.Command{
		Use: "generate", Short: "Make a strong password, and its line for htpasswd", Args: cobra.NoArgs,
		Example: "  deployer secrets generate\n  deployer secrets generate --htpasswd registry-admin --into .env.production",
		Long: `Makes a password of 256 random bits. With --htpasswd its bcrypt line too. With --into
both go into an encrypted env file, where nobody has to see them: NAME, and with
--htpasswd also …_USERNAME and …_HTPASSWD beside …_PASSWORD.`,
	}
	keys, asJSON := keyFlags(cmd), jsonFlag(cmd)
	user := cmd.Flags().String("htpasswd", "", "user name for a line of htpasswd")
	into := cmd.Flags().String("into", "", "encrypted env file to set the values in, instead of printing them")
	name := cmd.Flags().String("name", "REGISTRY_PASSWORD", "variable of the password, with --into")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		password := newPassword()
		vars := []variable{{*name, password}}
		if cmd.Flags().Changed("htpasswd") {
			line, err := htpasswd(*user, password)
			if err != nil {
				return exitError{exitUsage, err}
			}
			stem := strings.TrimSuffix(*name, "_PASSWORD")
			vars = append(vars, variable{stem + "_USERNAME", secrets.NewValue(*user)}, variable{stem + "_HTPASSWD", line})
		}
		if *into == "" {
			return printGenerated(cmd, vars, *asJSON)
		}
		if _, err := setVars(cmd, keys(), *into, vars...); err != nil {
			return err
		}
		for _, v := range vars {
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s set\n", *into, v.name)
		}
		return nil
	}
	return cmd
}

// printGenerated prints the password, and its line below it.
func printGenerated(cmd *cobra.Command, vars []variable, asJSON bool) error {
	answer := map[string]string{"password": vars[0].value.Reveal()}
	if len(vars) > 1 {
		answer["username"], answer["htpasswd"] = vars[1].value.Reveal(), vars[2].value.Reveal()
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), answer)
	}
	fmt.Fprintln(cmd.OutOrStdout(), answer["password"])
	if line := answer["htpasswd"]; line != "" {
		fmt.Fprintln(cmd.OutOrStdout(), line)
		if isTerminal(cmd.OutOrStdout()) {
			fmt.Fprintln(cmd.ErrOrStderr(), "in an env file the line stands in single quotes, since its $ are no variables; --into FILE writes it so")
		}
	}
	return nil
}

// newPassword returns 256 random bits as letters, digits, - and _; it begins
// with a letter or digit, so that no program takes it for an option.
func newPassword() secrets.Value {
	for {
		raw := make([]byte, 32)
		_, _ = rand.Read(raw) // never fails
		text := base64.RawURLEncoding.EncodeToString(raw)
		if !strings.ContainsAny(text[:1], "-_") {
			return secrets.NewValue(text)
		}
	}
}

// htpasswd returns the line of a user. The registry computes the hash at each
// request: the cost is the library's usual one, enough for a random password.
func htpasswd(user string, password secrets.Value) (secrets.Value, error) {
	if user == "" || strings.ContainsAny(user, ": \t\r\n") {
		return secrets.Value{}, fmt.Errorf("a user name of htpasswd has no colon and no space in it, and is not empty")
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(password.Reveal()), bcrypt.DefaultCost)
	if err != nil {
		return secrets.Value{}, err
	}
	return secrets.NewValue(user + ":" + string(hash)), nil
}
