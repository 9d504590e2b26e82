package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"deployer/secrets"
)

// envName is the env file that commands take where none is named.
const envName = ".env.production"

func newSecrets() *cobra.Command {
	cmd := &cobra.Command{
		Use: "secrets", Short: "Make, read and change files that SOPS encrypts", GroupID: groupHere,
		Long: `Makes, reads and changes env files, and files that services mount as configs and
secrets, which SOPS encrypts: by the rules of .sops.yaml, in SOPS's own format, without
the sops program. A file is encrypted as its name says: .env… as an env file, .yaml, .json
and .ini value by value, any other as one piece. Keys are looked for in --age-key,
and where SOPS looks by itself (SOPS_AGE_KEY_FILE, ~/.config/sops/age/keys.txt, …).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError("say what to do: generate, set, edit, encrypt, decrypt or rotate-keys; see `%s --help`", cmd.CommandPath())
		},
	}
	cmd.AddCommand(newSecretsGenerate(), newSecretsSet(), newSecretsEdit(), newSecretsEncrypt(), newSecretsDecrypt(), newSecretsRotate())
	for _, c := range cmd.Commands() {
		c.Args = asUsage(c.Args)
	}
	return cmd
}

// keyFlags adds --age-key, and returns the keyring that it makes.
func keyFlags(cmd *cobra.Command) func() secrets.Keyring {
	files := cmd.Flags().StringSlice("age-key", nil, "file with the private key, besides those that SOPS finds by itself")
	return func() secrets.Keyring { return secrets.Keyring{AgeKeyFiles: *files} }
}

func fileFlag(cmd *cobra.Command) *string {
	return cmd.Flags().StringP("file", "f", envName, "env file that SOPS encrypts")
}

// fileArgument is the env file that the command line names, or the usual one.
func fileArgument(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	return envName
}

// editFile changes an encrypted file in place, and reports whether it differs.
func editFile(ctx context.Context, keys secrets.Keyring, file string, change func(secrets.Value) (secrets.Value, error)) (bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return false, wrongFile(err)
	}
	out, err := keys.Edit(ctx, file, data, change)
	if errors.Is(err, secrets.ErrPlain) {
		return false, usageError("%w; encrypt it first: deployer secrets encrypt %s", err, file)
	}
	if err != nil || string(out) == string(data) {
		return false, err
	}
	return true, replaceFile(file, out)
}

// wrongFile makes a file that is not there an error of use.
func wrongFile(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usageError("%w", err)
	}
	return err
}

// replaceFile writes a file such that it is there in its old or its new form
// whatever happens. It keeps the file's mode.
func replaceFile(file string, data []byte) error {
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // it is gone once it was renamed
	_, err = f.Write(data)
	if err = errors.Join(err, f.Chmod(info.Mode().Perm()), f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return os.Rename(f.Name(), file)
}

// warnReadable says where the rules leave in clear what was just set.
func warnReadable(w io.Writer, file string, names ...string) {
	data, err := os.ReadFile(file)
	if err != nil {
		return
	}
	for _, name := range names {
		if !secrets.IsEncryptedName(data, name) {
			fmt.Fprintf(w, "deployer: %s stands readable in %s; if it is a secret, have encrypted_regex in .sops.yaml match its name, then: deployer secrets rotate-keys %s\n", name, file, file)
		}
	}
}
