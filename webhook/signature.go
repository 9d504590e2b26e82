package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
)

// verifyHMAC checks a hexadecimal HMAC-SHA256 of signed, as the named header
// carries it after prefix.
func verifyHMAC(r Request, header, prefix string, signed []byte, secrets [][]byte) error {
	value := r.Header.Get(header)
	if value == "" {
		return fmt.Errorf("%w: the %s header is missing", ErrUnsigned, header)
	}
	digits, ok := strings.CutPrefix(value, prefix)
	if !ok {
		return fmt.Errorf("%w: the %s header does not start with %q", ErrBadSignature, header, prefix)
	}
	signature, err := hex.DecodeString(digits)
	if err != nil || len(signature) != sha256.Size {
		return fmt.Errorf("%w: the %s header is not %d hexadecimal digits", ErrBadSignature, header, 2*sha256.Size)
	}
	matches := matchSecret(secrets, func(secret []byte) bool {
		mac := hmac.New(sha256.New, secret)
		mac.Write(signed)
		return hmac.Equal(mac.Sum(nil), signature)
	})
	if !matches {
		return fmt.Errorf("%w: %s was made with another secret or for another body", ErrBadSignature, header)
	}
	return nil
}

// basic returns the credentials of an Authorization header.
func basic(header string) (login, password string, ok bool) {
	r := http.Request{Header: http.Header{"Authorization": {header}}}
	return r.BasicAuth()
}

// matchSecret asks about every secret, also after one has matched, so that
// time does not tell which of several is in use. Anyone can sign with an
// empty secret, so an empty one is no secret.
func matchSecret(secrets [][]byte, match func(secret []byte) bool) bool {
	matched := false
	for _, secret := range secrets {
		if len(secret) == 0 {
			continue
		}
		if match(secret) {
			matched = true
		}
	}
	return matched
}
