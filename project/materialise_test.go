package project

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// world is a stack's mounts below roots of their own.
func world(t *testing.T, files map[string]string, vars ...string) (Source, *Project) {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() { _ = removeAll(dir) }) // read-only folders, where the tests are not run as root
	src := source(files, vars...)
	src.Roots = rootsIn(dir)
	p := mustLoad(t, src)
	return src, p
}

func rootsIn(dir string) Roots {
	return Roots{
		Objects: filepath.Join(dir, "objects"), Copies: filepath.Join(dir, "copies"),
		Data: filepath.Join(dir, "data"), Secrets: filepath.Join(dir, "secrets"),
	}
}

func at(t *testing.T, p *Project, target string) Mount {
	t.Helper()
	i := slices.IndexFunc(p.Mounts, func(m Mount) bool { return m.Target == target })
	if i < 0 {
		t.Fatalf("nothing is mounted at %s", target)
	}
	return p.Mounts[i]
}

func TestMaterialiseWritesEachKind(t *testing.T) {
	src, p := world(t, map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./run.sh:/run.sh:ro", "./html:/html:ro", "./w:/w", "./data:/data"]`, "secrets: [s]") +
			"  kept: {image: x, volumes: [\"./html:/kept\"], x-deployer: {files: keep}}\nsecrets: {s: {environment: S}}\n",
		"a": "content", "run.sh*": "#!/bin/sh", "html/index.html": "<p>", "html/sub/x*": "x", "html/link": "-> sub/x", "w": "w", "data/.gitkeep": "",
	}, "S!=s3cret")
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	html := at(t, p, "/html").Host
	for path, want := range map[string]struct {
		mode    fs.FileMode
		content string
	}{
		at(t, p, "/a").Host:                            {0o444, "content"},
		at(t, p, "/run.sh").Host:                       {0o555, "#!/bin/sh"},
		html:                                           {fs.ModeDir | 0o555, ""},
		filepath.Join(html, "sub"):                     {fs.ModeDir | 0o555, ""},
		filepath.Join(html, "index.html"):              {0o444, "<p>"},
		filepath.Join(html, "sub/x"):                   {0o555, "x"},
		at(t, p, "/w").Host:                            {0o644, "w"},
		at(t, p, "/data").Host:                         {fs.ModeDir | 0o755, ""},
		at(t, p, "/kept").Host:                         {fs.ModeDir | 0o755, ""},
		filepath.Join(at(t, p, "/kept").Host, "sub/x"): {0o755, "x"},
		at(t, p, "/run/secrets/s").Host:                {0o600, "s3cret"},
		src.Roots.Secrets:                              {fs.ModeDir | 0o700, ""},
	} {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode() != want.mode {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), want.mode)
		}
		if data, _ := os.ReadFile(path); string(data) != want.content {
			t.Errorf("%s holds %q, want %q", path, data, want.content)
		}
	}
	if target, err := os.Readlink(filepath.Join(html, "link")); err != nil || target != "sub/x" {
		t.Errorf("link to %q, %v", target, err)
	}
	if entries, err := os.ReadDir(at(t, p, "/data").Host); err != nil || len(entries) > 0 {
		t.Errorf("data holds %v, %v", entries, err)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(src.Roots.Data), "*", "*", scratchPrefix+"*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind %v, %v", left, err)
	}
}

func TestMaterialiseLeavesWhatIsThere(t *testing.T) {
	src, p := world(t, map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./seed:/seed"]`, "x-deployer: {files: keep}"),
		"a":            "a", "seed": "first",
	})
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	object, seed := at(t, p, "/a").Host, at(t, p, "/seed").Host
	before, err := os.Stat(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(seed, []byte("written by the service"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(object)
	if err != nil || !os.SameFile(before, after) {
		t.Errorf("the object was written again, %v", err)
	}
	if data, _ := os.ReadFile(seed); string(data) != "written by the service" {
		t.Errorf("seeded file is %q", data)
	}
}

func TestMaterialiseRefusesLinksOut(t *testing.T) {
	for _, target := range []string{"/etc/shadow", "../../outside", "../d2"} {
		src, p := world(t, map[string]string{"compose.yaml": compose(`volumes: ["./d:/d:ro"]`), "d/link": "x"})
		src.Tree.(mapTree).MapFS["d/link"].Mode |= fs.ModeSymlink
		src.Tree.(mapTree).MapFS["d/link"].Data = []byte(target)
		p.Mounts[0].Hash = ""
		err := Materialise(anyHash{src.Tree.(mapTree)}, p.Mounts)
		if err == nil || !strings.Contains(err.Error(), "outside the mounted folder") {
			t.Errorf("%s: %v", target, err)
		}
		if _, err := os.Lstat(p.Mounts[0].Host); err == nil {
			t.Errorf("%s: half of the folder is in place", target)
		}
	}
}

type anyHash struct{ mapTree }

func (anyHash) Hash(string) (string, error) { return "", nil }

func TestWrittenCopiesAreFound(t *testing.T) {
	src, p := world(t, map[string]string{
		"compose.yaml": compose(`volumes: ["./file:/file", "./folder:/folder", "./same:/same", "./absent:/absent"]`),
		"file":         "1", "folder/a": "1", "folder/b.d/x*": "1", "folder/b": "1", "folder/l": "-> b", "same/x": "1", "absent/y": "1",
	})
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	if got, err := WrittenCopies(p.Mounts); err != nil || len(got) > 0 {
		t.Fatalf("fresh copies written: %+v, %v", got, err)
	}
	if err := os.WriteFile(at(t, p, "/file").Host, []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(at(t, p, "/folder").Host, "new"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(at(t, p, "/absent").Host); err != nil {
		t.Fatal(err)
	}
	got, err := WrittenCopies(p.Mounts)
	if err != nil || len(got) != 2 || got[0].Target != "/file" || got[1].Target != "/folder" {
		t.Errorf("written %+v, %v", got, err)
	}
}

// The hash must be Git's own, or every copy would seem written.
func TestGitHashIsGits(t *testing.T) {
	git, err := exec.LookPath("git")
	if err != nil {
		t.Skip("git is not installed")
	}
	for _, format := range []string{"sha1", "sha256"} {
		dir := t.TempDir()
		run := func(args ...string) string {
			cmd := exec.Command(git, append([]string{"-C", dir}, args...)...)
			cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, out)
			}
			return strings.TrimSpace(string(out))
		}
		m := tree(map[string]string{"top/a": "1", "top/a.b/x*": "2", "top/a-b": "3", "top/ab": "-> a", "top/empty/.gitkeep": ""})
		if err := (&copier{tree: m, top: "top"}).copy("top", filepath.Join(dir, "top")); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(filepath.Join(dir, "top", "nothing"), 0o750); err != nil {
			t.Fatal(err)
		}
		run("init", "-q", "--object-format="+format)
		run("add", "top")
		root := run("write-tree")
		for _, p := range []string{"top", "top/a", "top/a.b"} {
			want := run("rev-parse", root+":"+p)
			if got, err := gitHash(filepath.Join(dir, p), len(want)); err != nil || got != want {
				t.Errorf("%s %s: %s, %v; Git says %s", format, p, got, err, want)
			}
		}
	}
}

func TestMaterialiseReadsNothingWhenNothingIsMissing(t *testing.T) {
	files := map[string]string{
		"compose.yaml": compose(`volumes: ["./a:/a:ro", "./d:/d:ro", "./w:/w", "./data:/data"]`),
		"a":            "1", "d/x": "1", "w": "1", "data/.keep": "",
	}
	src, p := world(t, files)
	if err := Materialise(src.Tree, p.Mounts); err != nil {
		t.Fatal(err)
	}
	if err := Materialise(nil, p.Mounts); err != nil { // a nil tree would not survive a look
		t.Fatal(err)
	}
}
