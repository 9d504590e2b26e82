package secrets

import (
	"bytes"
	"crypto/hmac"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/getsops/sops/v3"
	"github.com/getsops/sops/v3/aes"
	"github.com/getsops/sops/v3/config"
	"github.com/getsops/sops/v3/logging"
	dotenvstore "github.com/getsops/sops/v3/stores/dotenv"
	inistore "github.com/getsops/sops/v3/stores/ini"
	jsonstore "github.com/getsops/sops/v3/stores/json"
	yamlstore "github.com/getsops/sops/v3/stores/yaml"
)

// SOPS logs to standard error, and what it logs can quote the file: a comment
// that it cannot decrypt, for one. Its errors say all that is needed.
func init() {
	for _, logger := range logging.Loggers {
		logger.SetOutput(io.Discard)
	}
}

// A format is how SOPS wrote a file.
type format int

const (
	plainFormat  format = iota
	dotenvFormat        // NAME=ENC[…], with the metadata in lines that begin with sops_
	binaryFormat        // JSON around one ciphertext: what `sops encrypt` makes of a name it does not know, such as .env.production
	yamlFormat
	jsonFormat
	iniFormat
)

// String is SOPS's own name for the format, as --input-type takes it.
func (f format) String() string {
	return [...]string{"plain", "dotenv", "binary", "yaml", "json", "ini"}[f]
}

// store is what SOPS reads and writes the format with, as its program does.
func (f format) store() sops.Store {
	indent := config.NewStoresConfig()
	switch f {
	case dotenvFormat:
		return dotenvstore.NewStore(&indent.Dotenv)
	case yamlFormat:
		return yamlstore.NewStore(&indent.YAML)
	case jsonFormat:
		return jsonstore.NewStore(&indent.JSON)
	case iniFormat:
		return inistore.NewStore(&indent.INI)
	}
	return jsonstore.NewBinaryStore(&indent.JSONBinary)
}

const ciphertext = "ENC[AES256_GCM,"

// IsEncrypted reports whether SOPS encrypted the file, judged by its content.
// A file that lost a part of its metadata, or all, is encrypted still.
func IsEncrypted(data []byte) bool { return formatOf(data) != plainFormat }

func formatOf(data []byte) format {
	text := strings.TrimPrefix(string(data), bom)
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		var file struct {
			Sops json.RawMessage `json:"sops"`
		}
		if json.Unmarshal([]byte(text), &file) == nil && file.Sops != nil {
			return binaryFormat
		}
	}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, "=")
		switch strings.TrimSpace(name) {
		case "sops_version", "sops_mac", "sops_lastmodified":
			return dotenvFormat
		}
		if strings.HasPrefix(value, ciphertext) || strings.HasPrefix(line, "#"+ciphertext) {
			return dotenvFormat
		}
	}
	return plainFormat
}

// encryptedNames returns the variables whose values are encrypted in the file.
func encryptedNames(data []byte) map[string]bool {
	names := make(map[string]bool)
	for line := range strings.Lines(strings.TrimPrefix(string(data), bom)) {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(value, ciphertext) {
			names[nameOf(name)] = true
		}
	}
	return names
}

// normalize undoes what an editor or git's autocrlf did to line ends after the
// file was encrypted. Metadata tells: SOPS itself ends their lines with \n.
func normalize(data []byte) []byte {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte("sops_")) && bytes.HasSuffix(line, []byte("\r\n")) {
			return bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
		}
	}
	return data
}

// loadTree reads the ciphertext. None of SOPS's own errors is handed on, since
// they quote the line.
func loadTree(path string, f format, data []byte) (sops.Tree, sops.Store, error) {
	store := f.store()
	if f == dotenvFormat {
		number := 0
		for line := range strings.Lines(string(data)) {
			number++
			line = strings.TrimSuffix(line, "\n")
			if line != "" && line[0] != '#' && !strings.Contains(line, "=") {
				return sops.Tree{}, nil, noEquals(path, line, number)
			}
		}
	}
	tree, err := store.LoadEncryptedFile(data)
	switch {
	case errors.Is(err, sops.MetadataNotFound) && f != dotenvFormat:
		return tree, nil, &Error{Path: path, Problem: "its values are encrypted, but the part sops: at its end is missing",
			Hint: "restore the file from Git and change it with `sops edit` only"}
	case errors.Is(err, sops.MetadataNotFound):
		return tree, nil, &Error{Path: path, Problem: "its values are encrypted, but the sops_ lines at its end are missing",
			Hint: "restore the file from Git and change it with `sops edit` only"}
	case err != nil:
		return tree, nil, &Error{Path: path, Problem: "the metadata that SOPS keeps in it cannot be read",
			Hint: "a merge may have mixed two versions: take one of them whole, and make the changes of the other again with `sops edit`"}
	}
	return tree, store, nil
}

// An opened file is a decrypted one, with what is needed to encrypt it again
// such that values that stay the same keep their ciphertext.
type opened struct {
	plain  []byte
	tree   sops.Tree
	store  sops.Store
	key    []byte
	cipher sops.Cipher // it remembers the nonces that it has met
	format format
	sealed []sealedValue // in the order of the file
}

// decryptTree decrypts the whole file and verifies its integrity code.
func decryptTree(path string, f format, data []byte, service *keyService) (*opened, error) {
	tree, store, err := loadTree(path, f, data)
	if err != nil {
		return nil, err
	}
	key, err := service.dataKey(&tree.Metadata)
	if err != nil {
		return nil, missingKey(path, &tree.Metadata, service)
	}
	cipher := &namingCipher{Cipher: aes.NewCipher()}
	mac, err := tree.Decrypt(key, cipher)
	if err != nil {
		return nil, handEdited(path, cipher.failed)
	}
	sealed := cipher.opened // what follows is the integrity code
	want, err := cipher.Decrypt(tree.Metadata.MessageAuthenticationCode, key, tree.Metadata.LastModified.Format(time.RFC3339))
	if text, ok := want.(string); err != nil || !ok || !hmac.Equal([]byte(text), []byte(mac)) {
		return nil, handEdited(path, "")
	}
	plain, err := store.EmitPlainFile(tree.Branches)
	if err != nil && f != binaryFormat && f != dotenvFormat {
		return nil, &Error{Path: path, Problem: "SOPS cannot write what it decrypted as " + f.String(), Hint: "encrypt the plain file again: deployer secrets encrypt " + path}
	}
	if err != nil {
		return nil, &Error{Path: path, Problem: "SOPS encrypted something else than an env file in it",
			Hint: "encrypt the plain file again: deployer secrets encrypt " + path}
	}
	return &opened{plain, tree, store, key, cipher, f, sealed}, nil
}

// handEdited is the error for a file that does not agree with its integrity code.
func handEdited(path, name string) *Error {
	err := &Error{Path: path, Problem: "was changed without SOPS: its integrity code (MAC) does not match",
		Hint: "undo the change and make it again with `sops edit`, which encrypts what is new; `sops edit --ignore-mac` accepts a change that is right"}
	if validName.MatchString(name) {
		err.Problem = fmt.Sprintf("was changed without SOPS: the value of %s cannot be decrypted", name)
		err.Hint = "undo the change and make it again with `sops edit`; a value in plain that was committed has to be replaced by a new one"
	}
	return err
}

// A sealedValue is one that was encrypted in a file.
type sealedValue struct {
	name  string // its keys, from the top, such as db.password
	plain any    // as SOPS types it
}

// namingCipher remembers which values it decrypted, and which it could not,
// since SOPS says only what its ciphertext was.
type namingCipher struct {
	sops.Cipher
	failed string
	opened []sealedValue
}

func (c *namingCipher) Decrypt(ciphertext string, key []byte, path string) (any, error) {
	plain, err := c.Cipher.Decrypt(ciphertext, key, path)
	name := strings.ReplaceAll(nameOf(strings.TrimSuffix(path, ":")), ":", ".")
	if err != nil {
		c.failed = name
		return plain, err
	}
	c.opened = append(c.opened, sealedValue{name, plain})
	return plain, nil
}
