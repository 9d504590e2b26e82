package secrets

import (
	"bytes"
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

// formatForName is how a file of that name is encrypted: by its ending, as SOPS
// does, but for env files, which SOPS knows by .env at their end only.
func formatForName(name string) format {
	if f := formatForEnding(name); f != binaryFormat {
		return f
	}
	if base := path.Base(name); strings.HasPrefix(base, ".env") || strings.Contains(base, ".env.") {
		return dotenvFormat
	}
	return binaryFormat
}

// formatForEnding is SOPS's own choice.
func formatForEnding(name string) format {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return yamlFormat
	case ".json":
		return jsonFormat
	case ".ini":
		return iniFormat
	case ".env":
		return dotenvFormat
	}
	return binaryFormat
}

var (
	iniMetadata  = regexp.MustCompile(`(?m)^\[sops\][ \t]*\r?$`)
	yamlMetadata = regexp.MustCompile(`(?m)^sops:[ \t]*\r?$`)
	yamlMember   = regexp.MustCompile(`(?m)^[ \t]+(?:mac: ENC\[|lastmodified: )`)
	// A whole ciphertext as a value: what is left where the metadata was lost.
	orphan = regexp.MustCompile(`ENC\[AES256_GCM,data:[^,\]\s]*,iv:[^,\]\s]+,tag:[^,\]\s]+,type:[a-z]+\]`)
)

// shapeOf is how SOPS wrote a file, by its content alone.
func shapeOf(data []byte) format {
	if !bytes.Contains(data, []byte("sops")) {
		return plainFormat
	}
	text := strings.TrimPrefix(string(data), bom)
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return shapeOfJSON([]byte(text))
	}
	switch {
	case iniMetadata.MatchString(text):
		return iniFormat
	case yamlMetadata.MatchString(text) && yamlMember.MatchString(text):
		return yamlFormat
	}
	for line := range strings.Lines(text) {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "sops_version", "sops_mac", "sops_lastmodified":
			return dotenvFormat
		}
	}
	return plainFormat
}

func shapeOfJSON(data []byte) format {
	var file map[string]json.RawMessage
	var metadata struct {
		MAC          *string `json:"mac"`
		LastModified *string `json:"lastmodified"`
	}
	if json.Unmarshal(data, &file) != nil || json.Unmarshal(file["sops"], &metadata) != nil || metadata.MAC == nil && metadata.LastModified == nil {
		return plainFormat
	}
	if _, ok := file["data"]; ok && len(file) == 2 {
		return binaryFormat
	}
	return jsonFormat
}

// formatOfFile says how SOPS encrypted a file: by the ending of its name, as
// SOPS does, and by its content where the name says nothing. What the name says
// otherwise than the content is an *Error.
func formatOfFile(name string, data []byte) (format, error) {
	shape, ending := shapeOf(data), formatForEnding(name)
	switch {
	case shape == plainFormat:
		return plainFormat, withoutMetadata(name, ending, data)
	case shape == ending, ending == binaryFormat:
		return shape, nil
	case shape == binaryFormat && ending == jsonFormat:
		return jsonFormat, nil // JSON whose only name is data
	case shape == binaryFormat, shape == jsonFormat && ending == yamlFormat:
		return shape, nil
	}
	return shape, &Error{Path: name, Problem: "SOPS encrypted it as " + shape.String() + ", and its name says " + ending.String(),
		Hint: "rename it, or encrypt the plain file again as what it is: deployer secrets encrypt " + name}
}

// withoutMetadata finds a file that lost what SOPS keeps at its end: what is
// left is ciphertext that nobody can open. Texts under other names may speak of
// ciphertext.
func withoutMetadata(name string, ending format, data []byte) error {
	if ending == binaryFormat || !orphan.Match(data) {
		return nil
	}
	return &Error{Path: name, Problem: "its values are encrypted, but what SOPS keeps at its end is missing",
		Hint: "restore the file from Git and change it with `sops edit` only"}
}

// IsEncryptedFile reports whether SOPS encrypted a file, in whatever format.
func IsEncryptedFile(data []byte) bool { return shapeOf(data) != plainFormat }
