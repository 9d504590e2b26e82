package secrets

import (
	"bytes"
	"context"
	"errors"

	"github.com/getsops/sops/v3"
)

// ErrPlain is returned where a file that is to be encrypted is not.
var ErrPlain = errors.New("is not encrypted")

// Decrypt returns the content of a file that SOPS encrypted, in any format.
func (k Keyring) Decrypt(ctx context.Context, path string, data []byte) (Value, error) {
	file, err := k.openEncrypted(ctx, path, data)
	if err != nil {
		return Value{}, err
	}
	return NewValue(string(file.plain)), nil
}

// Edit has change make a new text of an encrypted file, and encrypts it
// for the same recipients. Values that stay the same keep their ciphertext, so
// that a difference of two versions shows what was changed; a text that stays
// the same gives back data. The error of change is returned as it is.
func (k Keyring) Edit(ctx context.Context, path string, data []byte, change func(plain Value) (Value, error)) ([]byte, error) {
	file, err := k.openEncrypted(ctx, path, data)
	if err != nil {
		return nil, err
	}
	changed, err := change(NewValue(string(file.plain)))
	if err != nil {
		return nil, err
	}
	text := []byte(changed.Reveal())
	if bytes.Equal(text, file.plain) {
		return data, nil
	}
	if file.tree.Branches, err = loadPlain(path, file.format, text); err != nil {
		return nil, err
	}
	return closeTree(file.tree, file.store, file.key, file.cipher)
}

func (k Keyring) openEncrypted(ctx context.Context, path string, data []byte) (*opened, error) {
	f, err := formatOfFile(path, data)
	if err != nil {
		return nil, err
	}
	if f == plainFormat {
		return nil, &pathError{path, ErrPlain}
	}
	if len(data) > maxSealed {
		return nil, tooLarge(path)
	}
	return k.decrypt(ctx, path, f, data)
}

// A pathError says which file an error is about.
type pathError struct {
	path string
	err  error
}

func (e *pathError) Error() string { return e.path + ": " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// loadPlain reads what is to be encrypted, and makes sure that it can be read
// again afterwards.
func loadPlain(path string, f format, text []byte) (sops.TreeBranches, error) {
	if err := encryptableAs(path, f, text); err != nil {
		return nil, err
	}
	branches, err := f.store().LoadPlainFile(text)
	if err != nil {
		return nil, &Error{Path: path, Problem: "SOPS cannot read it"}
	}
	return branches, nil
}

// Encryptable reports what keeps a text from being encrypted, in the format
// that the file's name says, and read again.
func Encryptable(path string, text []byte) error {
	return encryptableAs(path, formatForName(path), text)
}

func encryptableAs(path string, f format, text []byte) error {
	if f == dotenvFormat {
		if err := encryptable(path, text); err != nil {
			return err
		}
		_, err := readEnv(path, text, false, nil)
		return err
	}
	if len(text) > maxPlain {
		return tooLarge(path)
	}
	if shape := shapeOf(text); shape != plainFormat {
		return &Error{Path: path, Problem: "is encrypted already"}
	}
	if _, err := f.store().LoadPlainFile(text); err != nil {
		return &Error{Path: path, Problem: "cannot be read as " + f.String() + ", which its name says it is",
			Hint: "correct it; SOPS takes YAML and JSON with names at the top, no list. Under a name such as " + path + ".bin it is encrypted as it is"}
	}
	return nil
}

// IsEncryptedName reports whether the value of a variable is encrypted in a
// committed file.
func IsEncryptedName(data []byte, name string) bool {
	f := formatOf(data)
	return f == binaryFormat || f == dotenvFormat && encryptedNames(data)[name]
}
