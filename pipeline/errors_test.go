package pipeline

import (
	"errors"
	"fmt"
	"testing"

	"deployer/secrets"
)

// What to do about an encrypted file stands where it is looked for, however
// deep the error is, and not a second time in the message.
func TestHintOfAnEncryptedFileIsTakenApart(t *testing.T) {
	own := &secrets.Error{Path: "s.json", Problem: "no key at hand decrypts it", Hint: "give a key"}
	err := hintElse(hintApart(fmt.Errorf("service web: secret j: %w", own)), "correct the file")
	if Hint(err) != "give a key" || err.Error() != "service web: secret j: s.json: no key at hand decrypts it" || !errors.Is(err, error(own)) {
		t.Errorf("%v → %s", err, Hint(err))
	}
	for _, err := range []error{errors.New("other"), &secrets.Error{Path: "s.json", Problem: "is odd"}, fmt.Errorf("%w, and more", own)} {
		if got := hintElse(hintApart(err), "correct the file"); got.Error() != err.Error() || Hint(got) != "correct the file" {
			t.Errorf("%v → %v, %s", err, got, Hint(got))
		}
	}
}
