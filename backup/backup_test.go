package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func never(string) bool { return false }

// volumeOf is the tar stream of a volume with these entries below its root.
func volumeOf(t testing.TB, entries ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range append([]tar.Header{{Name: Root + "/", Typeflag: tar.TypeDir, Mode: 0o750}}, entries...) {
		content := []byte(h.Xattrs["content"]) //nolint:staticcheck // a place for a test's content
		h.Xattrs = nil                         //nolint:staticcheck // see above
		h.Size = int64(len(content))
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func file(name, content string) tar.Header {
	return tar.Header{Name: Root + "/" + name, Mode: 0o600, Typeflag: tar.TypeReg, Xattrs: map[string]string{"content": content}} //nolint:staticcheck // see volumeOf
}

func made(t testing.TB, folder string, at time.Time, stream []byte) *Manifest {
	t.Helper()
	if err := Prepare(folder, "shop"); err != nil {
		t.Fatal(err)
	}
	p, err := Write(folder, Manifest{Stack: "shop", Project: "shop", Volume: "shop_data", StartedAt: at}, bytes.NewReader(stream))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Discard()
	m, err := p.Finish(at, never)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func names(t testing.TB, folder string) string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestAnArchiveIsWrittenReadBackAndNamedByItsTime(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "to")
	m := made(t, folder, noon, volumeOf(t, file("a", "12345"), file("b", "6")))
	again := made(t, folder, noon, volumeOf(t, file("a", "12345")))
	if m.ID != "shop_data-20260304_120000" || again.ID != "shop_data-20260304_120001" {
		t.Errorf("named %s and %s", m.ID, again.ID)
	}
	if got := names(t, folder); got != "shop_data-20260304_120000.json shop_data-20260304_120000.tar.gz shop_data-20260304_120001.json shop_data-20260304_120001.tar.gz" {
		t.Errorf("the folder holds %s", got)
	}
	if m.Files != 3 || m.Content != 6 {
		t.Errorf("%d files with %d bytes", m.Files, m.Content)
	}
	info, err := os.Stat(m.Path(folder))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	read, err := ReadManifest(m.Path(folder))
	if err != nil || *read != *m {
		t.Fatalf("%+v %v, want %+v", read, err, m)
	}
	f, err := Open(m.Path(folder), read, false)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestADamagedArchiveIsRefused(t *testing.T) {
	folder := t.TempDir()
	m := made(t, folder, noon, volumeOf(t, file("a", strings.Repeat("x", 10_000))))
	whole, err := os.ReadFile(m.Path(folder))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	for name, content := range map[string][]byte{"cut": whole[:len(whole)-1], "flipped": flipped, "longer": append(bytes.Clone(whole), 0)} {
		if err := os.WriteFile(m.Path(folder), content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(m.Path(folder), m, false); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forged is an archive with a manifest that agrees with its checksum.
func forged(t *testing.T, folder string, stream []byte, change func(*Manifest)) *Manifest {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(stream)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	sum := &meter{hash: sha256.New()}
	_, _ = sum.Write(packed.Bytes())
	m := &Manifest{ID: "shop_data-20260304_120000", Volume: "shop_data", SHA256: fmt.Sprintf("%x", sum.hash.Sum(nil)),
		Size: sum.n, Stream: int64(len(stream)), Content: 1 << 40, Files: 1 << 30}
	if change != nil {
		change(m)
	}
	if err := os.WriteFile(m.Path(folder), packed.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestHostileArchivesAreRefused(t *testing.T) {
	link := func(kind byte, name, target string) tar.Header {
		return tar.Header{Name: name, Typeflag: kind, Linkname: target, Mode: 0o777}
	}
	raw := func(name string) tar.Header {
		h := file("", "x")
		h.Name = name
		return h
	}
	big := volumeOf(t, file("zeros", strings.Repeat("\x00", 1<<20)))
	for name, tt := range map[string]struct {
		stream []byte
		change func(*Manifest)
		says   string
	}{
		"absolute path":            {stream: volumeOf(t, raw("/etc/passwd")), says: "/etc/passwd"},
		"dot dot":                  {stream: volumeOf(t, raw("volume/../etc/passwd")), says: "no"},
		"only dot dot":             {stream: volumeOf(t, raw("../volume")), says: "../volume"},
		"beside the root":          {stream: volumeOf(t, raw("volumes/a")), says: "volumes/a"},
		"not plain":                {stream: volumeOf(t, raw("volume//a")), says: "volume//a"},
		"symlink out":              {stream: volumeOf(t, link(tar.TypeSymlink, "volume/a", "../../etc")), says: "leads out"},
		"symlink to absolute":      {stream: volumeOf(t, link(tar.TypeSymlink, "volume/a", "/etc")), says: "leads out"},
		"through a symlink":        {stream: volumeOf(t, link(tar.TypeSymlink, "volume/a", "."), file("a/b", "x")), says: "no folder"},
		"through a file":           {stream: volumeOf(t, file("a", "x"), file("a/b", "x")), says: "no folder"},
		"twice":                    {stream: volumeOf(t, file("a", "x"), file("a", "y")), says: "twice"},
		"hard link out":            {stream: volumeOf(t, link(tar.TypeLink, "volume/a", "/etc/shadow")), says: "hard link"},
		"hard link up":             {stream: volumeOf(t, link(tar.TypeLink, "volume/a", "volume/../../etc/shadow")), says: "hard link"},
		"hard link to what is not": {stream: volumeOf(t, link(tar.TypeLink, "volume/a", "volume/b")), says: "hard link"},
		"hard link to a folder":    {stream: volumeOf(t, link(tar.TypeLink, "volume/a", "volume")), says: "hard link"},
		"device":                   {stream: volumeOf(t, tar.Header{Name: "volume/sda", Typeflag: tar.TypeBlock, Devmajor: 8}), says: "device"},
		"character device":         {stream: volumeOf(t, tar.Header{Name: "volume/mem", Typeflag: tar.TypeChar, Devmajor: 1}), says: "device"},
		"no root":                  {stream: volumeOf(t)[1024:], says: "empty"},
		"unpacks to more":          {stream: big, change: func(m *Manifest) { m.Stream = 4096 }, says: "more than its manifest"},
		"more content":             {stream: big, change: func(m *Manifest) { m.Content = 10 }, says: "more than its manifest"},
		"more files":               {stream: big, change: func(m *Manifest) { m.Files = 1 }, says: "more than its manifest"},
	} {
		folder := t.TempDir()
		m := forged(t, folder, tt.stream, tt.change)
		_, err := Open(m.Path(folder), m, false)
		if !errors.Is(err, ErrHostile) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLinksThatLeadOutAreKnownOfABackupOfOnesOwn(t *testing.T) {
	folder := t.TempDir()
	m := made(t, folder, noon, volumeOf(t, tar.Header{Name: "volume/cert", Typeflag: tar.TypeSymlink, Linkname: "/etc/ssl/cert.pem"},
		tar.Header{Name: "volume/in", Typeflag: tar.TypeSymlink, Linkname: "x/../cert"}))
	if m.OutwardLinks != 1 {
		t.Errorf("%d links lead out", m.OutwardLinks)
	}
	if _, err := Open(m.Path(folder), m, false); !errors.Is(err, ErrHostile) {
		t.Errorf("not known to have them: %v", err)
	}
	f, err := Open(m.Path(folder), m, true)
	if err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
}

func TestPruneKeepsTheLastGoodAndWhatIsNotItsOwn(t *testing.T) {
	folder := t.TempDir()
	day := func(n int) time.Time { return noon.AddDate(0, 0, -n) }
	stream := volumeOf(t, file("a", "x"))
	for _, n := range []int{30, 20, 10} {
		made(t, folder, day(n), stream)
	}
	broken := made(t, folder, day(8), stream)
	if err := os.Truncate(broken.Path(folder), 3); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shop_data-20200101_000000.tar.gz", "shop_data-20200102_000000.json", "notes.txt"} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte("{}"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := Prune(folder, "shop", "shop_data", 7, noon)
	if err != nil || fmt.Sprint(gone) != "[shop_data-20260202_120000 shop_data-20260212_120000 shop_data-20260224_120000]" {
		t.Errorf("gone: %v %v", gone, err)
	}
	if got := names(t, folder); got != "notes.txt shop_data-20200101_000000.tar.gz shop_data-20200102_000000.json shop_data-20260222_120000.json shop_data-20260222_120000.tar.gz" {
		t.Errorf("left: %s", got)
	}
	for _, other := range [][2]string{{"blog", "shop_data"}, {"shop", "shop_other"}} {
		if gone, err := Prune(folder, other[0], other[1], 1, noon); err != nil || len(gone) > 0 {
			t.Errorf("%v: %v %v", other, gone, err)
		}
	}
}

func TestWhatACrashLeftIsRemovedAndOnlyThat(t *testing.T) {
	folder := t.TempDir()
	p, err := Write(folder, Manifest{Stack: "shop", Volume: "shop_data", StartedAt: noon}, bytes.NewReader(volumeOf(t)))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Write(folder, Manifest{Stack: "blog", Volume: "blog_data", StartedAt: noon}, bytes.NewReader(volumeOf(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Discard()
	if err := Prepare(folder, "shop"); err != nil {
		t.Fatal(err)
	}
	if exists(p.file.Name()) || !exists(other.file.Name()) {
		t.Errorf("left: %s", names(t, folder))
	}
}

func TestAStreamThatBreaksOffLeavesNothing(t *testing.T) {
	folder := t.TempDir()
	whole := volumeOf(t, file("a", strings.Repeat("x", 5000)))
	if _, err := Write(folder, Manifest{Stack: "shop", Volume: "shop_data", StartedAt: noon}, bytes.NewReader(whole[:3000])); err == nil {
		t.Error("it was taken")
	}
	if got := names(t, folder); got != "" {
		t.Errorf("left: %s", got)
	}
}
