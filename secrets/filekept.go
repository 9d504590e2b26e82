package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
)

// encodedFile is a File as its bytes have it.
type encodedFile struct {
	Version int      `json:"version"`
	Path    string   `json:"path"`
	Content []byte   `json:"content"`
	Secrets [][]byte `json:"secrets"`
	Names   []string `json:"names"`
}

const fileVersion = 1

// Encode returns the whole File in plain, to be sealed by a Vault.
func (f *File) Encode() []byte {
	out := encodedFile{Version: fileVersion, Path: f.path, Content: []byte(f.content.Reveal()), Names: f.names}
	for _, v := range f.secrets {
		out.Secrets = append(out.Secrets, []byte(v.Reveal()))
	}
	raw, _ := json.Marshal(out) // strings and bytes always marshal
	return raw
}

// DecodeFile reads what Encode wrote.
func DecodeFile(data []byte) (*File, error) {
	var in encodedFile
	if err := json.Unmarshal(data, &in); err != nil {
		// The error of the decoder quotes what it met.
		return nil, errors.New("kept file is damaged: it is no encoded file")
	}
	if in.Version != fileVersion {
		return nil, fmt.Errorf("kept file has version %d, this program reads %d", in.Version, fileVersion)
	}
	f := &File{path: in.Path, content: NewValue(string(in.Content)), names: in.Names}
	for _, v := range in.Secrets {
		f.secrets = append(f.secrets, NewValue(string(v)))
	}
	return f, nil
}
