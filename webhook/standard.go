package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// signingPrefix begins a secret of the Standard Webhooks scheme.
const signingPrefix = "whsec_"

// signedFor is how far a signature's time may be from ours.
const signedFor = 5 * time.Minute

// verifyStandard checks a delivery that is signed by the Standard Webhooks
// scheme: over its id, its time and its body, in up to several versions.
func verifyStandard(r Request, secrets [][]byte) error {
	header, id, at := r.Header.Get("webhook-signature"), r.Header.Get("webhook-id"), r.Header.Get("webhook-timestamp")
	if header == "" || id == "" || at == "" {
		return fmt.Errorf("%w: webhook-id, webhook-timestamp or webhook-signature is missing", ErrUnsigned)
	}
	seconds, err := strconv.ParseInt(at, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: webhook-timestamp is no time in seconds", ErrBadSignature)
	}
	var signatures [][]byte
	for _, s := range strings.Fields(header) {
		text, v1 := strings.CutPrefix(s, "v1,")
		if raw, err := base64.StdEncoding.DecodeString(text); v1 && err == nil && len(raw) == sha256.Size {
			signatures = append(signatures, raw)
		}
	}
	if len(signatures) == 0 {
		return fmt.Errorf("%w: webhook-signature has none of the form v1,<base64>", ErrBadSignature)
	}
	matches := matchSecret(secrets, func(secret []byte) bool {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(string(secret), signingPrefix))
		if err != nil || len(key) == 0 {
			return false
		}
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", id, at)
		mac.Write(r.Body)
		sum, matched := mac.Sum(nil), false
		for _, s := range signatures {
			matched = hmac.Equal(sum, s) || matched
		}
		return matched
	})
	if !matches {
		return fmt.Errorf("%w: webhook-signature was made with another secret or for another body", ErrBadSignature)
	}
	if away := r.ReceivedAt.Sub(time.Unix(seconds, 0)).Abs(); away > signedFor {
		return fmt.Errorf("%w: it was signed %s from now; see that both clocks are right", ErrBadSignature, away.Round(time.Second))
	}
	return nil
}

// sameText compares secrets in constant time, whatever their lengths.
func sameText(a, b []byte) bool {
	x, y := sha256.Sum256(a), sha256.Sum256(b)
	return hmac.Equal(x[:], y[:])
}
