package secrets_test

import (
	"testing"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/age"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/stores/dotenv"
	"github.com/getsops/sops/v3/stores/json"
)

// encryptWith encrypts with SOPS alone, which takes what EncryptDotenv refuses.
func encryptWith(t testing.TB, store sops.Store, plain string, k key) []byte {
	t.Helper()
	branches, err := store.LoadPlainFile([]byte(plain))
	if err != nil {
		t.Fatal(err)
	}
	master, err := age.MasterKeyFromRecipient(k.recipient)
	if err != nil {
		t.Fatal(err)
	}
	tree := sops.Tree{Branches: branches, Metadata: sops.Metadata{KeyGroups: []sops.KeyGroup{{master}}, Version: "3.13.3", LastModified: time.Now().UTC()}}
	dataKey, errs := tree.GenerateDataKey()
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	cipher := aes.NewCipher()
	mac, err := tree.Encrypt(dataKey, cipher)
	if err != nil {
		t.Fatal(err)
	}
	tree.Metadata.MessageAuthenticationCode, err = cipher.Encrypt(mac, dataKey, tree.Metadata.LastModified.Format(time.RFC3339))
	if err != nil {
		t.Fatal(err)
	}
	out, err := store.EmitEncryptedFile(tree)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func encryptAsIs(t testing.TB, plain string, k key) string {
	return string(encryptWith(t, dotenv.NewStore(&config.DotenvStoreConfig{}), plain, k))
}

func encryptBinary(t testing.TB, plain string, k key) []byte {
	return encryptWith(t, json.NewBinaryStore(&config.JSONBinaryStoreConfig{}), plain, k)
}

func encryptJSON(t testing.TB, plain string, k key) []byte {
	return encryptWith(t, json.NewStore(&config.JSONStoreConfig{}), plain, k)
}
