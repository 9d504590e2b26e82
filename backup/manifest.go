// Package backup owns archives of volumes as files: how they are named,
// written, read back, described by a manifest, judged before a restore, and
// deleted. It knows no Engine: content comes and goes as a tar stream whose
// one top folder is Root.
package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

const (
	archiveEnd  = ".tar.gz"
	manifestEnd = ".json"
	partEnd     = ".part"
	stampForm   = "20060102_150405" // in UTC
	maxManifest = 1 << 20           // bytes
	madeBy      = "deployer"
)

// A Manifest says what an archive is. It lies beside it, as ID.json, and is
// written once the archive was read back: where there is none, or the archive
// has not its size, there is no good backup.
type Manifest struct {
	MadeBy       string    `json:"made_by"` // always "deployer"
	Version      string    `json:"version"` // of deployer
	ID           string    `json:"id"`      // the archive is ID.tar.gz
	Stack        string    `json:"stack"`
	Project      string    `json:"project"`
	Volume       string    `json:"volume"`
	Run          string    `json:"run"`
	Why          string    `json:"why"`
	Release      string    `json:"release,omitempty"`
	Commit       string    `json:"commit,omitempty"`
	StartedAt    time.Time `json:"started_at"` // when the content began to be read
	FinishedAt   time.Time `json:"finished_at"`
	SHA256       string    `json:"sha256"` // of the archive
	Size         int64     `json:"size"`   // of the archive, in bytes
	Stream       int64     `json:"stream"` // of the tar stream in it, in bytes
	Content      int64     `json:"content"`
	Files        int       `json:"files"` // entries of every kind
	OutwardLinks int       `json:"outward_links,omitempty"`
}

// Path is where the archive lies in a folder.
func (m *Manifest) Path(folder string) string { return filepath.Join(folder, m.ID+archiveEnd) }

// Whole reports whether the archive is there with its size.
func (m *Manifest) Whole(folder string) bool {
	info, err := os.Lstat(m.Path(folder))
	return err == nil && info.Mode().IsRegular() && info.Size() == m.Size
}

var volumeRule = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]*$`)

// idOf names the backup of a volume at a time.
func idOf(volume string, at time.Time) (string, error) {
	if !volumeRule.MatchString(volume) {
		return "", fmt.Errorf("%q is no name of a volume", volume)
	}
	return volume + "-" + at.UTC().Format(stampForm), nil
}

// ReadManifest reads the manifest beside an archive.
func ReadManifest(archive string) (*Manifest, error) {
	name, ok := strings.CutSuffix(archive, archiveEnd)
	if !ok {
		return nil, fmt.Errorf("%s is no archive: its name must end in %s", archive, archiveEnd)
	}
	f, err := os.Open(name + manifestEnd)
	if err != nil {
		return nil, fmt.Errorf("read the manifest of the backup: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxManifest))
	if err != nil {
		return nil, err
	}
	m := new(Manifest)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("%s: %w", name+manifestEnd, err)
	}
	if id, err := idOf(m.Volume, m.StartedAt); m.MadeBy != madeBy || err != nil || m.ID != filepath.Base(name) || !strings.HasPrefix(m.ID, m.Volume+"-") ||
		len(m.ID) != len(id) || m.Size <= 0 || m.Stream <= 0 || m.Content < 0 || m.Files <= 0 {
		return nil, fmt.Errorf("%s is not the manifest of this archive", name+manifestEnd)
	}
	return m, nil
}

// Find returns the manifests of a stack's archives in a folder, oldest first.
// What is no manifest of deployer's, or of another stack, is passed over.
func Find(folder, stack string) ([]*Manifest, error) {
	entries, err := os.ReadDir(folder) // sorted by name
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var found []*Manifest
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), manifestEnd)
		if !ok || !e.Type().IsRegular() {
			continue
		}
		m, err := ReadManifest(filepath.Join(folder, name+archiveEnd))
		if err == nil && m.Stack == stack {
			found = append(found, m)
		}
	}
	return found, nil
}
