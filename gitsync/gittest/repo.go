package gittest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// epoch is the time of a repository's first commit; each next one is a minute later.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// A Repo is a bare repository that stands for a forge's.
type Repo struct {
	Dir string // absolute path of the bare repository

	tb      testing.TB
	binary  string // looked up once, so that a test can hide git from what it tests
	mu      sync.Mutex
	commits int
}

// NewRepo makes an empty bare repository in a temporary folder of the test.
func NewRepo(tb testing.TB) *Repo {
	tb.Helper()
	return newRepo(tb, filepath.Join(tb.TempDir(), "repo.git"))
}

// NewSibling makes an empty bare repository beside this one, which the same
// Server serves: its address is ../name.git from this one's.
func (r *Repo) NewSibling(name string) *Repo {
	r.tb.Helper()
	return newRepo(r.tb, filepath.Join(filepath.Dir(r.Dir), name+".git"))
}

func newRepo(tb testing.TB, dir string) *Repo {
	tb.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		tb.Skip("the git binary is not installed: " + err.Error())
	}
	r := &Repo{Dir: dir, tb: tb, binary: git}
	r.must(exec.Command(git, "init", "--quiet", "--bare", "--initial-branch=main", r.Dir))
	return r
}

// URL is the repository's file:// address.
func (r *Repo) URL() string { return "file://" + r.Dir }

// Commit adds a commit to a branch, on top of what is there, and returns its
// id. The branch is made where it does not exist.
func (r *Repo) Commit(branch, message string, files Files) string {
	r.tb.Helper()
	parent := ""
	if _, err := r.run(r.git("rev-parse", "--quiet", "--verify", "refs/heads/"+branch)); err == nil {
		parent = "refs/heads/" + branch
	}
	return r.CommitOn(parent, branch, message, files)
}

// CommitOn forces a branch to a new commit whose parent is given (an id or a
// ref; none starts a history of its own), as a force-push does.
func (r *Repo) CommitOn(parent, branch, message string, files Files) string {
	r.tb.Helper()
	r.mu.Lock()
	when := epoch.Add(time.Duration(r.commits) * time.Minute)
	r.commits++
	r.mu.Unlock()

	if parent != "" {
		parent = r.Git("rev-parse", "--verify", parent+"^{commit}")
	}
	var in bytes.Buffer
	fmt.Fprintf(&in, "reset refs/heads/%s\n\n", branch)
	fmt.Fprintf(&in, "commit refs/heads/%s\ncommitter Test Author <author@example.com> %d +0000\n", branch, when.Unix())
	fmt.Fprintf(&in, "data %d\n%s\n", len(message), message)
	if parent != "" {
		fmt.Fprintf(&in, "from %s\n", parent)
	}
	for _, path := range sortedPaths(files) {
		files[path].write(&in, path)
	}
	cmd := r.git("fast-import", "--quiet", "--force", "--done")
	in.WriteString("\ndone\n")
	cmd.Stdin = &in
	r.must(cmd)
	return r.Tip(branch)
}

// Reset forces a branch to a commit that exists, as a force-push does.
func (r *Repo) Reset(branch, commit string) {
	r.tb.Helper()
	r.Git("update-ref", "refs/heads/"+branch, commit)
}

// Delete removes a branch.
func (r *Repo) Delete(branch string) {
	r.tb.Helper()
	r.Git("update-ref", "-d", "refs/heads/"+branch)
}

// Tip returns the commit that a branch is at.
func (r *Repo) Tip(branch string) string {
	r.tb.Helper()
	return r.Git("rev-parse", "--verify", "refs/heads/"+branch+"^{commit}")
}

// Config sets a key of the repository's configuration, such as
// uploadpack.allowReachableSHA1InWant, uploadpack.allowAnySHA1InWant or
// uploadpack.allowFilter.
func (r *Repo) Config(key, value string) {
	r.tb.Helper()
	r.Git("config", key, value)
}

// RepackBitmaps packs everything into one pack with a bitmap index, as the
// big forges keep theirs.
func (r *Repo) RepackBitmaps() {
	r.tb.Helper()
	r.Git("repack", "-a", "-d", "-b", "-q")
}

// Git runs a git command in the repository and returns what it prints, trimmed.
func (r *Repo) Git(args ...string) string {
	r.tb.Helper()
	return r.must(r.git(args...))
}

func (r *Repo) git(args ...string) *exec.Cmd {
	return exec.Command(r.binary, append([]string{"-C", r.Dir}, args...)...)
}

func (r *Repo) must(cmd *exec.Cmd) string {
	r.tb.Helper()
	out, err := r.run(cmd)
	if err != nil {
		r.tb.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	return out
}

func (r *Repo) run(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Env, cmd.Stdout, cmd.Stderr = Env(), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return strings.TrimSpace(stdout.String()), nil
}

// Env is the environment for a git process that sees nothing of the user's configuration.
func Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(kv string) bool { return strings.HasPrefix(kv, "GIT_") })
	return append(env,
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Test Author", "GIT_AUTHOR_EMAIL=author@example.com",
		"GIT_COMMITTER_NAME=Test Author", "GIT_COMMITTER_EMAIL=author@example.com")
}
