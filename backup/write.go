package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/docker/go-units"
	"github.com/klauspost/compress/gzip"
)

// A Part is an archive that is being made. Nobody takes it for a backup
// before Finish has read it back.
type Part struct {
	folder string
	file   *os.File
	m      Manifest
}

// Prepare makes the folder where its parent exists, removes what a crash has
// left half written there for the stack, and sees that it can be written.
func Prepare(folder, stack string) error {
	if err := os.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	left, err := filepath.Glob(filepath.Join(escaped(folder), partPrefix(stack)+"*"+partEnd))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	probe, err := os.CreateTemp(folder, partPrefix(stack)+"*"+partEnd)
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

func partPrefix(stack string) string {
	sum := sha256.Sum256([]byte(stack))
	return ".deployer-" + hex.EncodeToString(sum[:6]) + "-"
}

// escaped is a path that Glob takes as it is.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Write reads a tar stream into a new archive in folder, which was prepared.
// about says whose content it is. Discard must be called in the end.
func Write(folder string, about Manifest, content io.Reader) (*Part, error) {
	file, err := os.CreateTemp(folder, partPrefix(about.Stack)+about.Volume+"-*"+partEnd) // 0600
	if err != nil {
		return nil, err
	}
	p := &Part{folder: folder, file: file, m: about}
	if err := p.fill(content); err != nil {
		p.Discard()
		return nil, err
	}
	return p, nil
}

// fill packs the stream and notes what it was.
func (p *Part) fill(content io.Reader) error {
	sum := &meter{hash: sha256.New()}
	// Services may be paused meanwhile: speed counts more than size.
	packer, err := gzip.NewWriterLevel(io.MultiWriter(p.file, sum), gzip.BestSpeed)
	if err != nil {
		return err
	}
	stream := &meter{}
	found, err := walk(io.TeeReader(content, io.MultiWriter(packer, stream)), nil, true)
	if err != nil {
		return fmt.Errorf("read the volume %s: %w", p.m.Volume, err)
	}
	if err := errors.Join(packer.Close(), p.file.Sync()); err != nil {
		return err
	}
	p.m.MadeBy, p.m.SHA256, p.m.Size, p.m.Stream = madeBy, hex.EncodeToString(sum.hash.Sum(nil)), sum.n, stream.n
	p.m.Files, p.m.Content, p.m.OutwardLinks = found.Files, found.Bytes, found.OutwardLinks
	return nil
}

// A meter counts bytes, and hashes them where it has a hash.
type meter struct {
	n    int64
	hash hash.Hash
}

func (m *meter) Write(b []byte) (int, error) {
	m.n += int64(len(b))
	if m.hash != nil {
		m.hash.Write(b)
	}
	return len(b), nil
}

// Finish reads the archive back, gives it its name and writes its manifest.
// The name is of the time when its content began to be read, or of one of the
// next seconds where taken says so, or a file of that name exists.
func (p *Part) Finish(now time.Time, taken func(id string) bool) (*Manifest, error) {
	p.m.FinishedAt = now.UTC()
	if err := check(p.file, &p.m, true); err != nil {
		return nil, fmt.Errorf("the archive that was just written does not read back: %w", err)
	}
	for at := p.m.StartedAt; ; at = at.Add(time.Second) {
		id, err := idOf(p.m.Volume, at)
		if err != nil {
			return nil, err
		}
		p.m.ID = id
		manifest := filepath.Join(p.folder, id+manifestEnd)
		if taken(id) || exists(manifest) || exists(p.m.Path(p.folder)) {
			continue
		}
		// A manifest without its archive is no backup, and can be told to be
		// deployer's; an archive without its manifest could not.
		if err := p.writeManifest(manifest); err != nil {
			return nil, err
		}
		if err := os.Link(p.file.Name(), p.m.Path(p.folder)); err != nil { // which never replaces a file
			_ = os.Remove(manifest)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return nil, err
		}
		return &p.m, syncFolder(p.folder)
	}
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return err == nil
}

func (p *Part) writeManifest(name string) error {
	text, err := json.MarshalIndent(&p.m, "", "  ")
	if err != nil {
		return err
	}
	beside, err := os.CreateTemp(p.folder, partPrefix(p.m.Stack)+"*"+partEnd)
	if err != nil {
		return err
	}
	defer os.Remove(beside.Name())
	_, err = beside.Write(append(text, '\n'))
	if err := errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return err
	}
	return os.Rename(beside.Name(), name)
}

// Discard removes what was made under no name of its own.
func (p *Part) Discard() {
	_ = p.file.Close()
	_ = os.Remove(p.file.Name())
}

func syncFolder(folder string) error {
	d, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// String says what was read.
func (p *Part) String() string {
	return fmt.Sprintf("%d entries with %s, packed to %s", p.m.Files, units.BytesSize(float64(p.m.Content)), units.BytesSize(float64(p.m.Size)))
}
