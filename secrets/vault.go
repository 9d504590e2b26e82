package secrets

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// maxOpened bounds what a Vault opens, in bytes.
const maxOpened = 64 << 20

// A Vault is the server's own key. It seals what is kept across restarts, such
// as the env of a release, so that a retired key of SOPS does not strand it,
// and makes digests that tell nothing to who has not the key. It may be used
// by many goroutines at once.
type Vault struct {
	identity *age.X25519Identity
	digest   Value // key of Digest
	encoder  *zstd.Encoder
}

// newVault derives the rest from the identity.
func newVault(identity *age.X25519Identity) (*Vault, error) {
	key, err := hkdf.Key(sha256.New, []byte(identity.String()), nil, "deployer digest v1", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the digest key: %w", err)
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("prepare compression: %w", err)
	}
	return &Vault{identity: identity, digest: NewValue(string(key)), encoder: encoder}, nil
}

// Seal compresses and encrypts.
func (v *Vault) Seal(plain []byte) ([]byte, error) {
	if len(plain) > maxOpened {
		return nil, fmt.Errorf("seal: %d bytes are more than the %d MiB that can be opened again", len(plain), maxOpened>>20)
	}
	var out bytes.Buffer
	w, err := age.Encrypt(&out, v.identity.Recipient())
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if _, err := w.Write(v.encoder.EncodeAll(plain, nil)); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return out.Bytes(), nil
}

// Open returns what was sealed, at most 64 MiB.
func (v *Vault) Open(sealed []byte) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(sealed), v.identity)
	var other *age.NoIdentityMatchError
	if errors.As(err, &other) {
		return nil, errors.New("it was sealed with another key: the server's key file was replaced; put the old one back to read what it sealed")
	}
	if err != nil {
		return nil, fmt.Errorf("open what was sealed: it is damaged: %w", err)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxOpened))
	if err != nil {
		return nil, fmt.Errorf("open what was sealed: %w", err)
	}
	defer d.Close()
	plain, err := io.ReadAll(io.LimitReader(d, maxOpened+1))
	if err != nil {
		return nil, fmt.Errorf("open what was sealed: it is damaged: %w", err)
	}
	if len(plain) > maxOpened {
		return nil, fmt.Errorf("open what was sealed: larger than %d MiB", maxOpened>>20)
	}
	return plain, nil
}

// Digest returns a keyed hash of the parts in hexadecimal, HMAC-SHA256. Other
// parts give another hash, also where they are the same bytes cut otherwise.
func (v *Vault) Digest(parts ...[]byte) string {
	h := hmac.New(sha256.New, []byte(v.digest.Reveal()))
	for _, part := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
}
