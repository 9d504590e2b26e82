package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"deployer/secrets"
)

func newSecretsEdit() *cobra.Command {
	cmd := &cobra.Command{
		Use: "edit [FILE]", Short: "Change an encrypted file in $EDITOR", Args: cobra.MaximumNArgs(1),
		Long: `Opens the file in plain in $VISUAL or $EDITOR, and encrypts it again. The plain text
lies in memory (tmpfs), readable by you alone, and is wiped afterwards. Values that
you leave alone keep their ciphertext.`,
	}
	keys := keyFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		file := fileArgument(args)
		argv, err := editor()
		if err != nil {
			return err
		}
		changed, err := editFile(cmd.Context(), keys(), file, func(plain secrets.Value) (secrets.Value, error) {
			return editInMemory(cmd, argv, file, plain)
		})
		if err != nil {
			return fmt.Errorf("%w; %s is as it was", err, file)
		}
		if !changed {
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: unchanged\n", file)
			return err
		}
		_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: changed and encrypted\n", file)
		return err
	}
	return cmd
}

// editor is the argument list of the person's editor; no shell reads it.
func editor() ([]string, error) {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if argv := strings.Fields(os.Getenv(name)); len(argv) > 0 {
			return argv, nil
		}
	}
	for _, name := range []string{"editor", "nano", "vi"} {
		if path, err := exec.LookPath(name); err == nil {
			return []string{path}, nil
		}
	}
	return nil, usageError("no editor: set EDITOR, or use `deployer secrets set KEY`")
}

// editInMemory has a person edit a text. While it does not read as what the
// file's name says, a person at a terminal is asked to correct it.
func editInMemory(cmd *cobra.Command, argv []string, name string, plain secrets.Value) (secrets.Value, error) {
	if text := plain.Reveal(); !utf8.ValidString(text) || strings.Contains(text, "\x00") {
		return plain, usageError("%s holds no text: put the new file in its place and run `deployer secrets encrypt %s`", name, name)
	}
	dir, err := privateMemory()
	if err != nil {
		return plain, err
	}
	file := filepath.Join(dir, "plain"+endingOf(name))
	defer wipe(dir)
	if err := os.WriteFile(file, []byte(plain.Reveal()), 0o600); err != nil {
		return plain, err
	}
	for {
		run := exec.CommandContext(cmd.Context(), argv[0], append(argv[1:], file)...)
		run.Stdin, run.Stdout, run.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
		if err := run.Run(); err != nil {
			return plain, fmt.Errorf("the editor %s: %w", argv[0], err)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return plain, err
		}
		if err = secrets.Encryptable(file, text); err == nil {
			return secrets.NewValue(string(text)), nil
		}
		if !isTerminal(cmd.InOrStdin()) || !confirm(cmd, fmt.Sprintf("%v\nedit it again?", err)) {
			return plain, err
		}
	}
}

// endingOf is what tells an editor, and the rules of a format, what the file is.
func endingOf(name string) string {
	if strings.Contains(filepath.Base(name), ".env") {
		return ".env"
	}
	return filepath.Ext(name)
}

// privateMemory makes a folder on tmpfs that only this user can read.
func privateMemory() (string, error) {
	for _, dir := range []string{os.Getenv("XDG_RUNTIME_DIR"), "/dev/shm", "/run"} {
		var fs unix.Statfs_t
		if dir == "" || unix.Statfs(dir, &fs) != nil || fs.Type != unix.TMPFS_MAGIC {
			continue
		}
		if own, err := os.MkdirTemp(dir, "deployer-edit-*"); err == nil { // 0700
			return own, nil
		}
	}
	return "", errors.New("no tmpfs that can be written (XDG_RUNTIME_DIR, /dev/shm, /run): the plain text would reach the disk; use `deployer secrets set KEY`")
}

// wipe overwrites what lies in a folder, an editor's own copies too, and
// removes it.
func wipe(dir string) {
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
	for _, name := range append(files, hidden...) {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			continue
		}
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			_, _ = io.CopyN(f, zeros{}, info.Size())
		}
		_ = f.Close()
	}
	_ = os.RemoveAll(dir)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
