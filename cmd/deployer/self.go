package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"deployer/backup"
	"deployer/state"
)

// A self is what the commands are told that back deployer itself up.
type self struct{ file, config *string }

func selfFlags(cmd *cobra.Command) self {
	return self{
		file:   cmd.Flags().String("self", "", "file with deployer's own data"),
		config: cmd.Flags().StringP("config", "c", "/etc/deployer/deployer.yaml", "with --self: configuration file"),
	}
}

const databaseFile = "deployer.db"

// leftOut are the parts of a data folder that are not backed up: what is
// fetched again, and the database, of which there is a snapshot.
var leftOut = []string{"mirrors", databaseFile, databaseFile + ".new"}

// backUp writes the data folder into a file, with the database as it is now.
// Where a server runs it is asked for that. The key does not go over the wire:
// it is read here.
func (s self) backUp(cmd *cobra.Command, connect func() (*apiClient, error), recipient string) error {
	c, err := load(*s.config)
	if err != nil {
		return exitError{exitUsage, err}
	}
	if cmd.Flag("server").Value.String() == "" && c.URL != "" {
		if err := cmd.Flags().Set("server", c.URL); err != nil {
			return err
		}
	}
	var to age.Recipient
	if recipient != "" {
		if to, err = age.ParseX25519Recipient(recipient); err != nil {
			return usageError("--recipient: %w", err)
		}
	}
	snapshot, err := os.CreateTemp(filepath.Dir(*s.file), ".deployer-snapshot-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(snapshot.Name())
	defer snapshot.Close()
	if err := takeSnapshot(cmd.Context(), filepath.Join(c.Data, databaseFile), connect, snapshot); err != nil {
		return err
	}
	if err := checkSnapshot(snapshot.Name()); err != nil {
		return fmt.Errorf("the snapshot of the database is not whole: %w", err)
	}
	n, err := backup.WriteFolder(*s.file, c.Data, leftOut, map[string]string{databaseFile: snapshot.Name()}, to)
	if err != nil {
		return err
	}
	kind := "it holds the server's key: keep it like a password"
	if to != nil {
		kind = "encrypted to " + recipient
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d files of %s; %s\n", *s.file, n, c.Data, kind)
	return err
}

// takeSnapshot copies the database: by itself where nobody has it open, else
// through the server that has.
func takeSnapshot(ctx context.Context, path string, connect func() (*apiClient, error), to io.Writer) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the database: %w", err)
	}
	store, err := state.Open(path)
	if err == nil {
		err = store.Snapshot(func(int64) io.Writer { return to })
		return errors.Join(err, store.Close())
	}
	if !errors.Is(err, state.ErrLocked) {
		return err
	}
	c, err := connect()
	if err != nil {
		return err
	}
	res, err := c.request(ctx, http.MethodGet, "/api/v1/snapshot", nil)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(to, res.Body)
	return err
}

// checkSnapshot opens a snapshot as a server does.
func checkSnapshot(path string) error {
	store, err := state.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(store.View(func(tx *state.Tx) error { _, err := tx.ActiveRuns(); return err }), store.Close())
}

// restore unpacks such a file into an empty data folder.
func (s self) restore(out io.Writer, identity string) error {
	c, err := load(*s.config)
	if err != nil {
		return exitError{exitUsage, err}
	}
	var keys []age.Identity
	if identity != "" {
		f, err := os.Open(identity)
		if err != nil {
			return err
		}
		defer f.Close()
		if keys, err = age.ParseIdentities(f); err != nil {
			return fmt.Errorf("--identity %s is no age key: %w", identity, err)
		}
	}
	n, err := backup.ReadFolder(*s.file, c.Data, keys)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s: %d files put back; start the server, then `deployer deploy STACK` for each stack that is drifted\n", c.Data, n)
	return err
}
