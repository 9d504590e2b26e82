package secrets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"filippo.io/age"
	"github.com/getsops/sops/v3"
	sopsage "github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/keyservice"
)

// keyService decrypts data keys for SOPS: first with this server's age
// identities, without a look at the process's environment, then as SOPS
// itself does. It serves one attempt at one file.
type keyService struct {
	keyservice.Server
	ctx     context.Context // of the attempt; SOPS passes none
	files   []keyFile
	ownOnly bool
	refused []string // what services other than age answered
}

var errNotOurs = errors.New("none of this server's identities fits")

// dataKey asks for the key of a file. The identities of this server come
// first for every recipient, so that no command is run and nothing far away
// is asked while one of them fits.
func (s *keyService) dataKey(metadata *sops.Metadata) ([]byte, error) {
	client := []keyservice.KeyServiceClient{keyservice.NewCustomLocalClient(s)}
	s.ownOnly = true
	if key, err := metadata.GetDataKeyWithKeyServices(client, sops.DefaultDecryptionOrder); err == nil {
		return key, nil
	}
	s.ownOnly = false
	return metadata.GetDataKeyWithKeyServices(client, sops.DefaultDecryptionOrder)
}

// Decrypt implements keyservice.KeyServiceServer.
func (s *keyService) Decrypt(_ context.Context, req *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	recipient := req.GetKey().GetAgeKey()
	if plain, err := s.decryptAge(recipient, req.GetCiphertext()); err == nil {
		return &keyservice.DecryptResponse{Plaintext: plain}, nil
	}
	if s.ownOnly {
		return nil, errNotOurs
	}
	answer, err := s.decryptElsewhere(req)
	if err != nil && recipient == nil {
		s.refused = append(s.refused, firstLine(err.Error()))
	}
	return answer, err
}

func (s *keyService) decryptAge(key *keyservice.AgeKey, ciphertext []byte) ([]byte, error) {
	identities := s.identities()
	if key == nil || len(identities) == 0 {
		return nil, errNotOurs
	}
	master := sopsage.MasterKey{Recipient: key.GetRecipient(), EncryptedKey: string(ciphertext)}
	sopsage.ParsedIdentities(identities).ApplyToMasterKey(&master)
	return master.Decrypt()
}

func (s *keyService) identities() []age.Identity {
	var all []age.Identity
	for _, f := range s.files {
		all = append(all, f.identities...)
	}
	return all
}

// decryptElsewhere leaves the request to SOPS. The address of a Vault is in
// the file, and SOPS would send the server's token to any: a repository must
// not choose where that goes.
func (s *keyService) decryptElsewhere(req *keyservice.DecryptRequest) (*keyservice.DecryptResponse, error) {
	if vault := req.GetKey().GetVaultKey(); vault != nil && os.Getenv("SOPS_HC_VAULT_ALLOWLIST") == "" {
		own := strings.TrimSuffix(os.Getenv("VAULT_ADDR"), "/")
		if own == "" || own != strings.TrimSuffix(vault.GetVaultAddress(), "/") {
			return nil, fmt.Errorf("the file names the Vault %q, which is neither VAULT_ADDR nor in SOPS_HC_VAULT_ALLOWLIST", vault.GetVaultAddress())
		}
	}
	return s.Server.Decrypt(s.ctx, req)
}

// firstLine keeps what is needed of an answer that may be pages long.
func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	if runes := []rune(s); len(runes) > 200 {
		return string(runes[:200]) + "…"
	}
	return s
}
