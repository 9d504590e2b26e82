package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
)

func newToken() *cobra.Command {
	var role string
	var asJSON *bool
	cmd := &cobra.Command{
		Use: "token NAME", Short: "Make a token and the line for deployer.yaml that accepts it", GroupID: groupHere,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains([]string{"viewer", "deployer", "admin"}, role) {
				return usageError("--role %s is none: use viewer, deployer or admin", role)
			}
			token := newSecret()
			sum := sha256.Sum256([]byte(token))
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]string{
					"name": args[0], "role": role, "token": token, "sha256": hex.EncodeToString(sum[:]),
				})
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "token (keep it; it is not shown again): %s\nunder tokens: in deployer.yaml:\n  - {name: %s, role: %s, sha256: %s}\n",
				token, args[0], role, hex.EncodeToString(sum[:]))
			return err
		},
	}
	asJSON = jsonFlag(cmd)
	cmd.Flags().StringVar(&role, "role", "deployer", "viewer, deployer or admin")
	return cmd
}

// newSecret returns 256 random bits as text that is safe in URLs and headers.
func newSecret() string {
	raw := make([]byte, 32)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}
